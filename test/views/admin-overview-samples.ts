// A model for each state of the first page for administrators.
import type { AdminOverviewModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const signIns = [120, 141, 98, 60, 55, 160, 90];
const failures = [3, 8, 2, 0, 1, 40, 4];
const accounts = [0, 2, 1, 0, 0, 5, 1];
const sessions = [null, null, 210, 214, 209, 231, 240];
const days = ['15 Nov 2026', '16 Nov 2026', '17 Nov 2026', '18 Nov 2026', '19 Nov 2026', '20 Nov 2026', '21 Nov 2026'];

const model: AdminOverviewModel = {
  days: 7,
  choices: [7, 30],
  series: [
    { kind: 'sign-ins', total: 724, most: 160, counts: signIns },
    { kind: 'failures', total: 58, most: 40, counts: failures },
    { kind: 'accounts', total: 9, most: 5, counts: accounts },
    { kind: 'sessions', total: 238, most: 240, counts: sessions },
  ],
  rows: days
    .map((day, index) => ({
      day,
      counts: [signIns, failures, accounts, sessions].map((counts) => counts[index] ?? null),
    }))
    .toReversed(),
  health: [
    { part: 'database', isWell: true, label: null },
    { part: 'redis', isWell: true, label: null },
    { part: 'mail', isWell: false, label: null },
    { part: 'bot', isWell: true, label: null },
    { part: 'upstream', isWell: true, label: 'Example Company' },
  ],
  mail: { queued: 3, minutes: 7, lost: 1 },
  keys: [
    { algorithm: 'RS256', kid: 'k3Jd81aQ', activeAt: '2026-11-01T06:00:00.000Z', days: 20 },
    { algorithm: 'ES256', kid: 'p0Xw55bN', activeAt: '2026-11-01T06:00:00.000Z', days: 20 },
  ],
  steps: [
    { step: 'https', isDone: true, url: null },
    { step: 'mail', isDone: false, url: null },
    { step: 'passkey', isDone: false, url: '/account/security' },
    { step: 'administrator', isDone: true, url: '/admin/accounts' },
    { step: 'client', isDone: true, url: '/admin/clients' },
  ],
  zone: 'Europe/London',
  errors: { fields: {} },
};

const sample = (name: string, own: AdminOverviewModel): Sample => ({
  ...{ name, page: 'admin-overview', model: own },
  isSignedIn: true,
  isAdmin: true,
});

export const adminOverviewSamples: readonly Sample[] = [
  sample('admin-overview', model),
  sample('admin-overview-done', { ...model, steps: null }),
];
