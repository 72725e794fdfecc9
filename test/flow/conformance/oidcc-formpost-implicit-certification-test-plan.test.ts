import { describePlan, implicitModules } from './plan.ts';

describePlan(
  'oidcc-formpost-implicit-certification-test-plan',
  ['id_token', 'id_token token'].map((responseType) => ({
    responseType,
    responseMode: 'form_post',
    modules: implicitModules(responseType),
  })),
  true,
);
