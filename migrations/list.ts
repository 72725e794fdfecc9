// Every migration in the order in which it runs. A released one is never edited; a change is a new file and a new line.
import { First } from './20261121000001-first.ts';
import { OidcArtifacts } from './20261121000002-oidc-artifacts.ts';
import { Consents } from './20261121000003-consents.ts';
import { LogoutDeliveries } from './20261121000004-logout-deliveries.ts';
import { Outbox } from './20261121000010-outbox.ts';
import { Factors } from './20261121000020-factors.ts';

export const migrations = [
  { name: '20261121000001-first', class: First },
  { name: '20261121000002-oidc-artifacts', class: OidcArtifacts },
  { name: '20261121000003-consents', class: Consents },
  { name: '20261121000004-logout-deliveries', class: LogoutDeliveries },
  { name: '20261121000010-outbox', class: Outbox },
  { name: '20261121000020-factors', class: Factors },
];
