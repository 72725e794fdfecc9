import { BASIC_MODULES, describePlan } from './plan.ts';

describePlan(
  'oidcc-formpost-basic-certification-test-plan',
  [{ responseType: 'code', responseMode: 'form_post', modules: BASIC_MODULES }],
  false,
);
