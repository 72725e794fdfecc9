import { describePlan, implicitModules } from './plan.ts';

describePlan(
  'oidcc-implicit-certification-test-plan',
  ['id_token', 'id_token token'].map((responseType) => ({
    responseType,
    responseMode: undefined,
    modules: implicitModules(responseType),
  })),
  true,
);
