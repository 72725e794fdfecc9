// The one list of translation keys that code puts together while it runs. A star stands for what is filled in. Every other key is written out
// where it is used, so that a search finds it.

import { upstreamMembers } from '../../config/declarations.ts';
import type { InvitationState } from '../../src/access/invitations.ts';
import { MEMBER_ROLES, OWN_WAYS } from '../../src/access/organizations.ts';
import type { RoleDefinition } from '../../src/access/permission.ts';
import { ACCOUNT_STATUSES } from '../../src/account/account.entity.ts';
import type { AuditRecord } from '../../src/audit/audit.ts';
import type { LogoProblem } from '../../src/brand/logo.ts';
import { CLIENT_TEMPLATES } from '../../src/client/client-template.ts';
import type { RedirectProblem } from '../../src/client/redirect-lint.ts';
import type { SnippetKind } from '../../src/client/snippet.ts';
import type { ProofMethod } from '../../src/credential/assurance.ts';
import type { PasswordProblem } from '../../src/credential/password.ts';
import { ERROR_CODES, errorText } from '../../src/http/error-text.ts';
import type {
  AdminAccountSections,
  AdminUpstreamModel,
  AdminUpstreamsModel,
  NotMeModel,
  SecurityModel,
  SetupModel,
  UpstreamAccountModel,
} from '../../src/http/page-model.ts';
import { NOTICE_CHANNELS, NOTICE_KINDS } from '../../src/notification/notices.ts';
import type { LeftOut, PreviewStep, PreviewStop } from '../../src/oidc/claim-preview.ts';
import { SCOPES } from '../../src/oidc/provider.ts';
import { ACTIVITY } from '../../src/portal/activity.ts';
import { ACCOUNT_ACTIONS } from '../../src/portal/admin/account-actions.ts';
import { BULK_ACTIONS, REFUSALS } from '../../src/portal/admin/accounts-bulk.ts';
import { LIVES } from '../../src/portal/admin/clients.ts';
import type { ApprovalPurpose } from '../../src/telegram/approvals.ts';
import type { TestedStep, TestProblem } from '../../src/upstream/connection-test.ts';

/** The names of a union of texts; the compiler refuses the list when one is missing or too many. */
function namesOf<Name extends string>(names: Readonly<Record<Name, true>>): readonly string[] {
  return Object.keys(names);
}

const errorTexts = [...new Set([...ERROR_CODES.map(errorText), 'general'])];
const kinds = namesOf<NonNullable<NonNullable<SetupModel['firstClient']>['applicationType']>>({
  web: true,
  spa: true,
  native: true,
});

const recoveries = namesOf<NotMeModel['recovery']>({ mail: true, telegram: true, 'sign-in': true });
const confirmed = namesOf<NonNullable<SecurityModel['confirmation']>['what']>({
  password: true,
  totp: true,
  passkey: true,
  'recovery-codes': true,
  telegram: true,
  'telegram-add': true,
});

export const composedKeys: Readonly<Record<string, readonly string[]>> = {
  'not_me.text.*': recoveries,
  'not_me.done.*': recoveries,
  'profile.notices_kind.*': NOTICE_KINDS,
  'profile.notices_hint.*': NOTICE_KINDS,
  'profile.notices_channel.*': NOTICE_CHANNELS,
  'profile.notices_only.*': [...NOTICE_CHANNELS, 'none'],
  'admin_account.action.*': ACCOUNT_ACTIONS,
  'admin_account.actor_*': namesOf<AuditRecord['actor']['kind']>({
    account: true,
    client: true,
    cli: true,
    system: true,
    anonymous: true,
  }),
  'admin_account.done.*': [...ACCOUNT_ACTIONS, 'create'],
  'admin_account.problem.*': ['last-super-admin', 'last-organization-owner', 'account-state', 'role-not-held'],
  'admin_account.result_*': ['success', 'failure'],
  'admin_account.section.*': namesOf<keyof AdminAccountSections>({
    profile: true,
    credentials: true,
    sessions: true,
    apps: true,
    events: true,
    roles: true,
  }),
  'admin_account.status_*': ACCOUNT_STATUSES,
  'admin_audit.actor_*': ['account', 'client', 'cli', 'system', 'anonymous'],
  'activity.event.*': Object.values(ACTIVITY)
    .flat()
    .map((action) => action.replace('.', '-')),
  'activity.kind_*': Object.keys(ACTIVITY),
  'admin_settings.done_*': ['mail', 'telegram'],
  'admin_settings.from_*': ['default', 'environment', 'file', 'yaml', 'generated'],
  'admin_overview.part_*': ['database', 'redis', 'mail', 'bot', 'upstream'],
  'admin_overview.series_*': ['sign-ins', 'failures', 'accounts', 'sessions'],
  'admin_overview.step_*': ['https', 'mail', 'administrator', 'passkey', 'client'],
  'admin_account.text.*': ACCOUNT_ACTIONS,
  'admin_bulk.refusal.*': [...REFUSALS, 'other'],
  'admin_bulk.text.*': BULK_ACTIONS,
  'admin_accounts.problem.*': [
    ...['invalid-email', 'email-taken', 'invalid-username', 'username-taken', 'reserved-username'],
  ],
  'admin_claims.stop.*': namesOf<PreviewStop>({
    account: true,
    unapproved: true,
    no_code: true,
    scope: true,
    resource: true,
  }),
  'admin_claims.step.*': namesOf<PreviewStep>({
    second_factor: true,
    second_factor_setup: true,
    passkey: true,
    passkey_setup: true,
    terms: true,
    consent: true,
  }),
  'admin_claims.left_out_*': namesOf<LeftOut>({ unknown: true, no_refresh: true }),
  'admin_upstreams.takes_*': namesOf<AdminUpstreamsModel['upstreams'][number]['takes'][number]>({
    subject: true,
    email: true,
    email_shown: true,
    profile_once: true,
    profile_always: true,
    second_factor: true,
    tokens: true,
  }),
  'admin_upstreams.move_*': ['up', 'down'],
  'admin_upstream.kind_*': [...upstreamMembers.keys()],
  'admin_upstream.register_*': [...upstreamMembers.keys()],
  'admin_upstream.when_*': namesOf<AdminUpstreamModel['claims'][number]['when']>({
    key: true,
    verified: true,
    shown: true,
    created: true,
    always: true,
  }),
  'admin_upstream.done_*': namesOf<NonNullable<AdminUpstreamModel['done']>>({
    saved: true,
    'secret-dropped': true,
    on: true,
    off: true,
  }),
  'admin_upstream.problem.*': [
    ...['id', 'id-taken', 'client_id', 'secret', 'label', 'issuer', 'authorization_endpoint', 'token_endpoint'],
    ...['api_root', 'tenant', 'team_id', 'key_id', 'scopes', 'domains'],
  ],
  'admin_upstreams.step.*': namesOf<TestedStep>({ address: true, keys: true, credentials: true }),
  'admin_upstreams.problem.*': namesOf<TestProblem>({ unreachable: true, setting: true, odd: true }),
  // The rest of the page's keys are written out.
  'admin_client.*': LIVES,
  'admin_client.*_hint': LIVES,
  'admin_client.snippet_*': namesOf<SnippetKind>({
    'openid-client': true,
    settings: true,
    authlib: true,
    'oauth2-proxy': true,
    curl: true,
  }),
  'admin_brand.problem.logo_*': namesOf<LogoProblem>({ kind: true, large: true, side: true, broken: true }),
  'admin_client.redirect.*': namesOf<RedirectProblem>({
    'not-url': true,
    wildcard: true,
    fragment: true,
    http: true,
    scheme: true,
    credentials: true,
  }),
  'admin_clients.template_*': CLIENT_TEMPLATES,
  'admin_invitations.done_*': ['sent', 'revoked'],
  'admin_invitations.problem.*': [
    ...['invalid-email', 'email-taken', 'already-invited', 'rank', 'permission-missing', 'unknown-role'],
  ],
  'admin_invitations.state_*': namesOf<InvitationState>({ open: true, used: true, revoked: true, expired: true }),
  'organization_invitations.problem.*': ['invalid-email', 'already-member', 'already-invited', 'organization-rank'],
  'organization_roles.given_by_*': ['owner', 'admin'],
  'organization_roles.problem.*': ['role-id', 'role-taken', 'role-name', 'too-many-roles'],
  'organizations.done_*': ['joined', 'left'],
  'admin_organization.problem.*': [
    ...['organization-slug', 'slug-taken', 'organization-name', 'organization-domains'],
    ...[
      'unknown-account',
      'already-member',
      'last-organization-owner',
      'organization-ways',
      'organization-session',
      'domain-taken',
    ],
  ],
  'admin_organization.role_*': MEMBER_ROLES,
  'admin_organization.way_*': OWN_WAYS,
  'admin_role.problem.*': [
    ...['role-name', 'role-id', 'role-taken', 'role-rank', 'role-inherits', 'role-permission'],
    ...['rank', 'permission-missing', 'in-use'],
  ],
  'admin_role.read_only_*': ['built-in', 'yaml'],
  'admin_roles.source_*': namesOf<RoleDefinition['source']>({ 'built-in': true, yaml: true, database: true }),
  'bot.ask.*': namesOf<ApprovalPurpose>({
    'sign-in': true,
    'second-factor': true,
    'fresh-proof': true,
    link: true,
    enrolment: true,
  }),
  'device.problem.*': ['unknown', 'expired', 'used', 'missing', 'locked', 'again'],
  'error.*.title': errorTexts,
  'error.*.text': errorTexts,
  'login.problem.*': ['mismatch', 'locked', 'passkey', 'number'],
  'password.problem.*': namesOf<PasswordProblem>({
    'too-short': true,
    'too-long': true,
    'needs-kinds': true,
    'too-common': true,
    'too-personal': true,
    breached: true,
  }),
  'password.strength.*': ['0', '1', '2', '3', '4'],
  'password.rule.*': ['length', 'kinds', 'uncommon'],
  // The rest of the page's keys are written out.
  'identities.*': ['linked', 'unlinked'],
  'upstream.*.text': ['denied', 'unreachable', 'failed'],
  'upstream_account.*.title': namesOf<UpstreamAccountModel['kind']>({ prove: true, unproven: true, new: true }),
  'upstream_account.*.text': namesOf<UpstreamAccountModel['kind']>({ prove: true, unproven: true, new: true }),
  'second_factor.problem.*': ['totp', 'recovery-code', 'passkey'],
  'mini_app.*.title': ['stale', 'invalid', 'over'],
  'mini_app.*.text': ['stale', 'invalid', 'over'],
  'telegram.*.title': ['denied', 'expired'],
  'telegram.*.text': ['denied', 'expired'],
  // The consent page has its own words for these two.
  'scope.*': SCOPES.filter((scope) => !['openid', 'offline_access'].includes(scope)),
  'security.advice.*': namesOf<NonNullable<SecurityModel['advice']>>({
    passkey: true,
    'second-way': true,
    'second-factor': true,
    'recovery-codes': true,
  }),
  'security.confirm.*': confirmed,
  'security.confirm_submit.*': confirmed,
  'security.event.*': [
    ...['sign-in', 'sign-in-failed', 'step-up', 'password', 'reset', 'factor-added', 'factor-removed'],
    ...['recovery-code', 'signed-out', 'refused'],
  ],
  'security.problem.*': ['last-way', 'last-second-factor'],
  'sessions.method_*': namesOf<ProofMethod>({
    password: true,
    totp: true,
    'recovery-code': true,
    passkey: true,
    mail: true,
    phone: true,
    telegram: true,
    upstream: true,
    'trusted-device': true,
  }),
  'setup.kind_*': kinds,
  'setup.kind_*_hint': kinds,
  // What accounts refuse only when they are asked to create one.
  'setup.problem.*': ['invalid-email', 'invalid-username', 'email-taken', 'username-taken', 'reserved-username'],
};
