import { describePlan, hybridModules } from './plan.ts';

describePlan(
  'oidcc-hybrid-certification-test-plan',
  ['code id_token', 'code token', 'code id_token token'].map((responseType) => ({
    responseType,
    responseMode: undefined,
    modules: hybridModules(responseType),
  })),
  true,
);
