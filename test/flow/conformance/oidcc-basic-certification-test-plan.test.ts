import { BASIC_MODULES, describePlan } from './plan.ts';

describePlan(
  'oidcc-basic-certification-test-plan',
  [{ responseType: 'code', responseMode: undefined, modules: BASIC_MODULES }],
  false,
);
