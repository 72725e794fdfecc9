// A model for each state of the page about the audit for administrators.
import type { AdminAuditModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const ada = {
  kind: 'account',
  id: '5ad7a4b2-5a4e-4f0e-9f3a-9b6f0f3c7d11',
  name: 'Ada Lovelace',
  url: '/admin/accounts/5ad7a4b2-5a4e-4f0e-9f3a-9b6f0f3c7d11',
};
const app = { kind: 'client', id: 'photo-album', name: null, url: '/admin/clients/photo-album' };

const list: AdminAuditModel = {
  filter: { who: '', action: '', target: '', result: '', network: '', client: '', from: '', to: '' },
  actions: ['client.', 'client.update', 'key.', 'key.rotate', 'session.', 'session.start'],
  events: [
    {
      id: '8123',
      happenedAt: '2026-11-21T08:01:02.000Z',
      who: ada,
      action: 'session.start',
      target: ada,
      result: 'success',
      reason: null,
      note: 'Asked for it by telephone',
      network: '2001:db8:1:2::/64',
      browser: 'Firefox',
      system: 'Linux',
      userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
      client: app,
      requestId: 'Zk3vX0aWm2bT',
    },
    {
      id: '8122',
      happenedAt: '2026-11-21T08:00:58.000Z',
      who: { kind: 'anonymous', id: null, name: null, url: null },
      action: 'session.start',
      target: ada,
      result: 'failure',
      reason: 'wrong-secret',
      note: null,
      network: '192.0.2.7',
      browser: null,
      system: null,
      userAgent: null,
      client: null,
      requestId: 'Qm4vX0aWm2bT',
    },
    {
      id: '8121',
      happenedAt: '2026-11-21T07:00:00.000Z',
      who: { kind: 'system', id: null, name: null, url: null },
      action: 'key.rotate',
      target: { kind: 'key', id: 'k7', name: null, url: null },
      result: 'success',
      reason: null,
      note: null,
      network: null,
      browser: null,
      system: null,
      userAgent: null,
      client: null,
      requestId: null,
    },
  ],
  zone: 'Europe/London',
  newestUrl: '/admin/audit?result=failure',
  nextUrl: '/admin/audit?before=8121',
  canExport: true,
  errors: { fields: {} },
};

const sample = (name: string, model: AdminAuditModel): Sample => ({
  ...{ name, page: 'admin-audit', model },
  isSignedIn: true,
  isAdmin: true,
});

export const adminAuditSamples: readonly Sample[] = [
  sample('admin-audit', list),
  sample('admin-audit-problems', {
    ...list,
    filter: {
      ...list.filter,
      who: 'nobody@example.com',
      result: 'failure',
      action: 'session.',
      network: 'x',
      from: '2026-11-20T10:00',
    },
    ...{ events: [], newestUrl: null, nextUrl: null, canExport: false },
    errors: {
      summary: 'form.problem',
      fields: {
        who: 'admin_audit.problem.account',
        network: 'admin_audit.problem.network',
        from: 'admin_audit.problem.time',
      },
    },
  }),
];
