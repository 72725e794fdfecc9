// A model for each state of the device pages.
import type { DeviceConfirmModel, DeviceModel } from '../../src/http/page-model.ts';

const device: DeviceModel = { action: '/device', xsrf: 'f00d', code: '', errors: { fields: {} } };

const confirm: DeviceConfirmModel = {
  action: '/device',
  xsrf: 'f00d',
  client: { name: 'Living Room TV', host: 'tv.example.com', logoUri: null, policyUri: null, tosUri: null },
  code: 'BCDF-GHJK',
  scopes: [
    { name: 'profile', group: 'see', isNew: false },
    { name: 'films:play', group: 'do', isNew: false, label: 'play your films', detail: 'Films' },
  ],
  offlineAccess: true,
  request: { network: '2001:db8::17', userAgent: 'TVPlayer/7.1', minutesAgo: 0 },
};

export const deviceSamples = [
  { name: 'device', page: 'device', model: device },
  { name: 'device-filled', page: 'device', model: { ...device, code: 'BCDF-GHJK' } satisfies DeviceModel },
  {
    name: 'device-unknown',
    page: 'device',
    model: {
      ...device,
      code: 'BCDF-GHJJ',
      errors: { summary: 'device.problem.unknown', fields: { code: '' } },
    } satisfies DeviceModel,
  },
  {
    name: 'device-locked',
    page: 'device',
    model: {
      ...device,
      retryAfter: 95,
      errors: { summary: 'device.problem.locked', fields: {} },
    } satisfies DeviceModel,
  },
  { name: 'device-confirm', page: 'device-confirm', model: confirm },
  {
    name: 'device-confirm-plain',
    page: 'device-confirm',
    model: {
      ...confirm,
      scopes: [],
      offlineAccess: false,
      request: { network: '', userAgent: '', minutesAgo: 7 },
    } satisfies DeviceConfirmModel,
  },
];
