// A model for each state of the page about invitations for administrators.
import { BUILT_IN_ROLES } from '../../src/access/permission.ts';
import type { AdminInvitationsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const one = (id: string, email: string, state: 'open' | 'used' | 'revoked' | 'expired') => ({
  ...{ id, email, state, roles: state === 'open' ? ['Viewer', 'Helpdesk'] : [] },
  expiresAt: '2026-11-28T10:00:00.000Z',
  resendUrl: state === 'open' || state === 'expired' ? `/admin/invitations/${id}/resend` : null,
  revokeUrl: state === 'open' || state === 'expired' ? `/admin/invitations/${id}/revoke` : null,
});

const list: AdminInvitationsModel = {
  invitations: [
    one('11111111-1111-4111-8111-111111111111', 'grace@example.com', 'open'),
    one('22222222-2222-4222-8222-222222222222', 'edsger@example.com', 'expired'),
    one('33333333-3333-4333-8333-333333333333', 'barbara@example.com', 'used'),
    one('44444444-4444-4444-8444-444444444444', 'donald@example.com', 'revoked'),
  ],
  zone: 'Europe/Berlin',
  nextUrl: '/admin/invitations?after=x',
  roles: BUILT_IN_ROLES.map(({ id, name }) => ({ id, name })),
  mailLanguages: [{ tag: 'en', name: 'English' }],
  form: { email: '', role: '', locale: 'en' },
  done: null,
  errors: { fields: {} },
};

const sample = (name: string, model: AdminInvitationsModel): Sample => ({
  ...{ name, page: 'admin-invitations', model, isSignedIn: true, isAdmin: true },
});

export const adminInvitationSamples: readonly Sample[] = [
  sample('admin-invitations', { ...list, done: 'sent' }),
  sample('admin-invitations-none', { ...list, invitations: [], nextUrl: null, done: 'revoked' }),
  sample('admin-invitations-problems', {
    ...list,
    form: { email: 'grace@', role: 'super-admin', locale: 'en' },
    errors: {
      summary: 'form.problem',
      fields: { email: 'admin_invitations.problem.invalid-email', role: 'admin_invitations.problem.rank' },
    },
  }),
];
