import { describePlan, hybridModules } from './plan.ts';

describePlan(
  'oidcc-formpost-hybrid-certification-test-plan',
  ['code id_token', 'code token', 'code id_token token'].map((responseType) => ({
    responseType,
    responseMode: 'form_post',
    modules: hybridModules(responseType),
  })),
  true,
);
