// Every migration in the order in which it runs. A released one is never edited; a change is a new file and a new line.
import { First } from './20261121000001-first.ts';
import { OidcArtifacts } from './20261121000002-oidc-artifacts.ts';
import { Consents } from './20261121000003-consents.ts';
import { LogoutDeliveries } from './20261121000004-logout-deliveries.ts';
import { Outbox } from './20261121000010-outbox.ts';
import { Factors } from './20261121000020-factors.ts';
import { CookieKeyTimes } from './20261121000030-cookie-key-times.ts';
import { Registration } from './20261121000060-registration.ts';
import { Invitations } from './20261121000061-invitations.ts';
import { EmailChanges } from './20261121000062-email-changes.ts';
import { BrowserSessions } from './20261121000070-browser-sessions.ts';
import { LinkedIdentities } from './20261121000080-linked-identities.ts';
import { Telegram } from './20261121000090-telegram.ts';
import { AuditChain } from './20261121000100-audit-chain.ts';
import { RolesOfOperators } from './20261121000110-roles.ts';
import { DeletedClients } from './20261121000140-deleted-clients.ts';
import { Phones } from './20261121000150-phones.ts';
import { TelegramFactor } from './20261121000160-telegram-factor.ts';
import { AppUses } from './20261121000170-app-uses.ts';
import { AdminLists } from './20261121000180-admin-lists.ts';
import { AuditSearch } from './20261121000190-audit-search.ts';
import { Overview } from './20261121000191-overview.ts';

export const migrations = [
  { name: '20261121000001-first', class: First },
  { name: '20261121000002-oidc-artifacts', class: OidcArtifacts },
  { name: '20261121000003-consents', class: Consents },
  { name: '20261121000004-logout-deliveries', class: LogoutDeliveries },
  { name: '20261121000010-outbox', class: Outbox },
  { name: '20261121000020-factors', class: Factors },
  { name: '20261121000030-cookie-key-times', class: CookieKeyTimes },
  { name: '20261121000060-registration', class: Registration },
  { name: '20261121000061-invitations', class: Invitations },
  { name: '20261121000062-email-changes', class: EmailChanges },
  { name: '20261121000070-browser-sessions', class: BrowserSessions },
  { name: '20261121000080-linked-identities', class: LinkedIdentities },
  { name: '20261121000090-telegram', class: Telegram },
  { name: '20261121000100-audit-chain', class: AuditChain },
  { name: '20261121000110-roles', class: RolesOfOperators },
  { name: '20261121000140-deleted-clients', class: DeletedClients },
  { name: '20261121000150-phones', class: Phones },
  { name: '20261121000160-telegram-factor', class: TelegramFactor },
  { name: '20261121000170-app-uses', class: AppUses },
  { name: '20261121000180-admin-lists', class: AdminLists },
  { name: '20261121000190-audit-search', class: AuditSearch },
  { name: '20261121000191-overview', class: Overview },
];
