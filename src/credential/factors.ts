// What an account can prove itself with, seen as a whole: which ways lead in, which second factors are owed and which satisfy them, and the
// removal of any of them. The last way in stays, also when several removals arrive at once: each waits for the other on the account's row and
// counts what is left before it commits (requirements F4, F8, F10).
import type { Database, EntityManager } from '../storage/database.ts';
import { type Acr, type ProofMethod, secondFactorsAfter } from './assurance.ts';
import { lockCredentials, raiseCredentialVersion } from './credential-version.ts';
import type { MailedSecrets } from './mailed-secret.ts';
import type { Passkeys, PasskeyView } from './passkey.ts';
import type { Passwords } from './password.ts';
import type { RecoveryCodes } from './recovery-code.ts';
import type { TelegramFactors, TelegramFactorView } from './telegram-factor.ts';
import type { Totp, TotpView } from './totp.ts';
import { endTrustedDevices } from './trusted-device.ts';

/** A way in that other rooms keep: a linked identity, Telegram, the mailbox where mailed codes sign in. */
export interface OtherWay {
  readonly kind: 'upstream' | 'telegram' | 'mail' | 'phone';
}

/** Reads them on the EntityManager it is given and nothing else: on the embedded database there is only one connection. */
export type OtherWays = (accountId: string, em: EntityManager) => Promise<readonly OtherWay[]>;

export type SecondFactor = Extract<ProofMethod, 'totp' | 'recovery-code' | 'passkey' | 'telegram'>;

export interface FactorOverview {
  readonly hasPassword: boolean;
  readonly totp: TotpView | null;
  readonly passkeys: readonly PasskeyView[];
  /** Recovery codes that are left. */
  readonly recoveryCodes: number;
  /** Approval in the bot, as second factor (F13). */
  readonly telegram: TelegramFactorView | null;
  /** Without those that end half-way: nothing that is enrolled may follow them. */
  readonly others: readonly OtherWay[];
  /** Independent ways to sign in (F10). */
  readonly waysIn: number;
  /** A first factor alone is not enough: an authenticator, a security key or Telegram approval is enrolled. */
  readonly owesSecondFactor: boolean;
  /** All enrolled kinds; which of them may follow a first factor is told by `secondFactorsFor`. */
  readonly secondFactors: readonly SecondFactor[];
  /** The strongest proof the account can give: what fresh proof has to match (S6). */
  readonly strongest: Acr;
}

export type RemovableFactor =
  | { readonly kind: 'password' | 'totp' | 'telegram' | 'recovery-codes' }
  | { readonly kind: 'passkey'; readonly id: string };

export type RemovalOutcome =
  | 'removed'
  | 'not-found'
  /** Nothing would be left to sign in with. */
  | 'last-way'
  /** Policy asks this account for a second factor and this is the last one (F5). */
  | 'last-second-factor';

export interface RemovalOptions {
  /** By deployment, client, organization or role. */
  readonly isSecondFactorRequired?: boolean;
  /** What is taken away must not take a second factor with it. */
  readonly keepsSecondFactors?: boolean;
  /** What commits with it: audit and notice. */
  readonly alongside?: (em: EntityManager) => Promise<void>;
}

/** Most accounts have few of them, and every sign-in asks: one statement says what there is to read. */
const HELD = `select exists (select from password where account_id = ?) as password,
  exists (select from totp where account_id = ?) as totp, exists (select from passkey where account_id = ?) as passkey,
  exists (select from recovery_code where account_id = ?) as "recoveryCode",
  exists (select from telegram_factor where account_id = ?) as telegram`;
type Held = Readonly<Record<'password' | 'totp' | 'passkey' | 'recoveryCode' | 'telegram', boolean>>;

/** From here on downwards it is time for new recovery codes. */
const FEW_CODES = 3;

/** Takes the transaction back. */
class Refused extends Error {
  readonly outcome: RemovalOutcome;

  constructor(outcome: RemovalOutcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

export class Factors {
  readonly #database: Database;
  readonly #passwords: Passwords;
  readonly #totp: Totp;
  readonly #passkeys: Passkeys;
  readonly #recoveryCodes: RecoveryCodes;
  readonly #mailed: MailedSecrets;
  readonly #telegram: TelegramFactors;
  readonly #otherWays: OtherWays;

  constructor(parts: {
    readonly database: Database;
    readonly passwords: Passwords;
    readonly totp: Totp;
    readonly passkeys: Passkeys;
    readonly recoveryCodes: RecoveryCodes;
    readonly mailed: MailedSecrets;
    readonly telegram: TelegramFactors;
    readonly otherWays: OtherWays;
  }) {
    this.#database = parts.database;
    this.#passwords = parts.passwords;
    this.#totp = parts.totp;
    this.#passkeys = parts.passkeys;
    this.#recoveryCodes = parts.recoveryCodes;
    this.#mailed = parts.mailed;
    this.#telegram = parts.telegram;
    this.#otherWays = parts.otherWays;
  }

  /** @param em inside a transaction, its own */
  async overview(accountId: string, em: EntityManager = this.#database.em()): Promise<FactorOverview> {
    const [held] = await em.execute<Held[]>(HELD, [accountId, accountId, accountId, accountId, accountId]);
    const hasPassword = held?.password === true;
    const totp = held?.totp ? await this.#totp.find(accountId, em) : null;
    const passkeys = held?.passkey ? await this.#passkeys.list(accountId, em) : [];
    const recoveryCodes = held?.recoveryCode ? await this.#recoveryCodes.count(accountId, em) : 0;
    const telegram = held?.telegram ? await this.#telegram.find(accountId, em) : null;
    const allOthers = await this.#otherWays(accountId, em);
    const waysIn = passkeys.filter((one) => one.kind === 'way-in');
    // A passkey that signs in alone is a better password, not a second lock on the old one: whoever left it at home still gets in as before.
    const owesSecondFactor = totp !== null || telegram !== null || passkeys.some((one) => one.kind === 'second-factor');
    const isTwoPossible = owesSecondFactor || passkeys.length > 0;
    const all: readonly (SecondFactor | false)[] = [
      passkeys.length > 0 && 'passkey',
      totp !== null && 'totp',
      telegram !== null && 'telegram',
      // They stand in for another second factor and are none of their own.
      isTwoPossible && recoveryCodes > 0 && 'recovery-code',
    ];
    const secondFactors = all.filter((one) => one !== false);
    /** Telegram where an approval there is the only second factor would be the same proof twice. */
    const leadsIn = (first: ProofMethod): boolean =>
      !owesSecondFactor ||
      secondFactors.some((one) => one !== 'recovery-code' && secondFactorsAfter(first).includes(one));
    const others = allOthers.filter((one) => leadsIn(one.kind));
    return {
      hasPassword,
      totp,
      telegram,
      passkeys,
      recoveryCodes,
      others,
      waysIn: Number(hasPassword) + waysIn.length + others.length,
      owesSecondFactor,
      secondFactors,
      strongest: waysIn.length > 0 ? 'urn:latchkey:phr' : isTwoPossible ? 'urn:latchkey:aal2' : 'urn:latchkey:aal1',
    };
  }

  async waysIn(accountId: string): Promise<number> {
    return (await this.overview(accountId)).waysIn;
  }

  /** Takes one factor away, unless nothing would be left. Fresh proof is the caller's part. */
  async remove(accountId: string, factor: RemovableFactor, options: RemovalOptions = {}): Promise<RemovalOutcome> {
    return this.removeOther(
      accountId,
      (em) => {
        switch (factor.kind) {
          case 'password':
            return this.#passwords.remove(em, accountId);
          case 'totp':
            return this.#totp.remove(em, accountId);
          case 'telegram':
            return this.#telegram.remove(em, accountId);
          case 'passkey':
            return this.#passkeys.remove(em, accountId, factor.id);
          default:
            return this.#recoveryCodes.remove(em, accountId);
        }
      },
      options,
    );
  }

  /**
   * The same for a way that another room keeps: unlinking an identity, leaving Telegram.
   * @param take does it in the transaction; answers whether there was something to take
   */
  async removeOther(
    accountId: string,
    take: (em: EntityManager) => Promise<boolean>,
    options: RemovalOptions = {},
  ): Promise<RemovalOutcome> {
    try {
      return await this.#database.transaction(async (em) => {
        if (!(await lockCredentials(em, accountId))) return 'not-found';
        const before = await this.overview(accountId, em);
        if (!(await take(em))) return 'not-found';
        const after = await this.overview(accountId, em);
        if (after.waysIn === 0 && before.waysIn > 0) throw new Refused('last-way');
        const isTelegramLost = before.telegram !== null && after.telegram === null;
        if (isTelegramLost && options.keepsSecondFactors) throw new Refused('last-second-factor');
        const isSecondLost = hasSecond(before) && !hasSecond(after);
        if (isSecondLost && options.isSecondFactorRequired) throw new Refused('last-second-factor');
        // Without the factor they stand in for they would be a second password that nobody thinks of.
        if (!hasSecond(after)) await this.#recoveryCodes.remove(em, accountId);
        // With its identity, or alone.
        if (isTelegramLost) await raiseCredentialVersion(em, accountId);
        await endTrustedDevices(em, accountId);
        await options.alongside?.(em);
        return 'removed';
      });
    } catch (error) {
      if (error instanceof Refused) return error.outcome;
      throw error;
    }
  }

  /**
   * Makes approval in the bot a second factor. Fresh proof, and that this Telegram account has just approved, are the caller's part.
   * @param findIdentity the account's linked identity, in the transaction, which may link it; null when it is not linked
   */
  async enrolTelegram(
    accountId: string,
    telegramId: string,
    findIdentity: (em: EntityManager) => Promise<string | null>,
    alongside?: (em: EntityManager) => Promise<void>,
  ): Promise<'enrolled' | 'not-linked' | 'only-way'> {
    return this.#database.transaction(async (em) => {
      if (!(await lockCredentials(em, accountId))) return 'not-linked';
      const before = await this.overview(accountId, em);
      if (!canEnrolTelegram(before)) return 'only-way';
      const identityId = await findIdentity(em);
      if (identityId === null) return 'not-linked';
      await this.#telegram.save(em, accountId, identityId, telegramId);
      if (before.telegram !== null) await raiseCredentialVersion(em, accountId);
      await endTrustedDevices(em, accountId);
      await alongside?.(em);
      return 'enrolled';
    });
  }

  /**
   * Takes everything away, also what is on its way by mail: when an administrator resets the credentials, or when the true owner of an
   * address arrives and nothing of whoever registered it may survive (F11, R6). Ways of other rooms are theirs to end.
   */
  async removeAll(em: EntityManager, accountId: string): Promise<void> {
    await lockCredentials(em, accountId);
    await this.#passwords.remove(em, accountId);
    await this.#passkeys.removeAll(em, accountId);
    await this.#totp.remove(em, accountId);
    await this.#telegram.remove(em, accountId);
    await this.#recoveryCodes.remove(em, accountId);
    await this.#mailed.revokeAll(em, accountId);
    await endTrustedDevices(em, accountId);
    await raiseCredentialVersion(em, accountId);
  }
}

/** Whether anything recovery codes could stand in for is enrolled. */
function hasSecond(overview: FactorOverview): boolean {
  return overview.secondFactors.some((one) => one !== 'recovery-code');
}

/** Whether something else than Telegram leads in, which an approval there can then follow. */
export function canEnrolTelegram({ hasPassword, passkeys, totp, others }: FactorOverview): boolean {
  const hasOther = others.some((one) => secondFactorsAfter(one.kind).includes('telegram'));
  return hasPassword || hasOther || totp !== null || passkeys.length > 0;
}

/** The enrolled kinds that may follow this first factor, strongest first. */
export function secondFactorsFor(overview: FactorOverview, first: ProofMethod): readonly SecondFactor[] {
  const allowed = secondFactorsAfter(first);
  return overview.secondFactors.filter((one) => allowed.includes(one));
}

/** What would help an account most against being taken over or locked out (requirements F10); null when it is well off. */
export type Advice = 'passkey' | 'second-way' | 'second-factor' | 'recovery-codes';

/** @param canPasskey whether browsers know passkeys here */
export function adviceFor(overview: FactorOverview, canPasskey: boolean): Advice | null {
  if (canPasskey && overview.passkeys.length === 0) return 'passkey';
  if (!canPasskey && !hasSecond(overview)) return 'second-factor';
  if (overview.waysIn < 2) return 'second-way';
  if (overview.owesSecondFactor && overview.recoveryCodes < FEW_CODES) return 'recovery-codes';
  return null;
}
