// Taking a Telegram account away from its account, asked for in the bot: by the same rules as in the portal, and told to the owner.
import type { AccountRow } from '../account/accounts.ts';
import type { IdentityKey, LinkedIdentities } from '../account/linked-identities.ts';
import type { Audit } from '../audit/audit.ts';
import { tellOwner } from '../credential/change-notice.ts';
import type { Factors } from '../credential/factors.ts';
import type { Notices } from '../notification/notices.ts';
import type { UnlinkOutcome } from './conversation.ts';

interface UnlinkParts {
  readonly factors: Factors;
  readonly identities: LinkedIdentities;
  readonly audit: Audit;
  readonly notices: Notices;
}

/** @param locale of the notice, for an owner who has none */
export async function unlinkTelegram(
  parts: UnlinkParts,
  account: AccountRow,
  key: IdentityKey,
  locale: string,
): Promise<UnlinkOutcome> {
  const actor = { kind: 'account', id: account.id } as const;
  const change = { action: 'identity.unlink', what: 'factor-removed', name: 'Telegram' } as const;
  const from = { asked: { browser: 'Telegram', system: null, network: null }, locale };
  const outcome = await parts.factors.removeOther(account.id, (em) => parts.identities.unlinkKey(em, account.id, key), {
    // A chat is not the strong proof that taking a second factor away needs (requirements F4).
    keepsSecondFactors: true,
    alongside: (em) => tellOwner(parts, em, account, change, from),
  });
  if (outcome === 'last-way' || outcome === 'last-second-factor')
    await parts.audit.record({ actor, action: 'identity.unlink', target: actor, result: 'failure', reason: outcome });
  return outcome;
}
