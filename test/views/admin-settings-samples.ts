// A model for each state of the page about settings for administrators.
import type { AdminSettingsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const model: AdminSettingsModel = {
  sections: [
    {
      title: 'Address and process',
      settings: [
        {
          name: 'LATCHKEY_ISSUER',
          value: 'https://id.example.com',
          from: 'environment',
          meaning: 'Public URL of this provider, exactly as clients know it.',
        },
        { name: 'LATCHKEY_PORT', value: '3000', from: 'default', meaning: 'Port of the listener.' },
      ],
    },
    {
      title: 'Secrets',
      settings: [
        { name: 'LATCHKEY_SECRET', value: '••••••••', from: 'file', meaning: 'What seals everything at rest.' },
        { name: 'LATCHKEY_PASSWORD_PEPPER', value: '', from: 'default', meaning: 'Part of every password hash.' },
      ],
    },
  ],
  canWrite: true,
  testAddress: 'ada@example.com',
  refusal: null,
  bot: { isLinked: true },
  done: 'mail',
  errors: { fields: {} },
};

const sample = (name: string, own: AdminSettingsModel): Sample => ({
  ...{ name, page: 'admin-settings', model: own },
  isSignedIn: true,
  isAdmin: true,
});

export const adminSettingsSamples: readonly Sample[] = [
  sample('admin-settings', model),
  sample('admin-settings-read', { ...model, canWrite: false, done: null, bot: null }),
  sample('admin-settings-problems', {
    ...model,
    ...{ testAddress: null, refusal: 'smtp-550', bot: { isLinked: false }, retryAfter: 65 },
    errors: { summary: 'admin_settings.problem.many', fields: {} },
  }),
];
