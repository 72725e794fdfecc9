// What a sign-in is worth: `acr` and `amr` from what was proven (requirements F8, F9; amr values of RFC 8176, and `tg`). The only place that
// says which proofs are independent of one another. It does not know what an account owes: see factors.ts.

export type Proof =
  | { readonly method: 'password' | 'totp' | 'recovery-code' }
  | {
      readonly method: 'passkey';
      readonly isUserVerified: boolean;
      readonly deviceType: 'singleDevice' | 'multiDevice';
    }
  /** A link or code by mail, or a code by phone: a first factor, never a second one. */
  | { readonly method: 'mail' | 'phone' }
  | {
      readonly method: 'telegram';
      /** The id of the upstream where it was shown, where there is one. */
      readonly upstream?: string;
    }
  | {
      readonly method: 'upstream';
      /** Its id, where it was shown in this sign-in. */
      readonly upstream?: string;
      /** The operator trusts this upstream to have asked for a second factor (F7). */
      readonly isTrustedForSecondFactor: boolean;
    }
  /** The second factor rests on this browser (F12). */
  | { readonly method: 'trusted-device' };

export type ProofMethod = Proof['method'];

export type Acr = 'urn:latchkey:aal1' | 'urn:latchkey:aal2' | 'urn:latchkey:phr';

export interface Assurance {
  readonly acr: Acr;
  readonly amr: readonly string[];
}

/** From weak to strong. */
export const ACR_LEVELS: readonly Acr[] = ['urn:latchkey:aal1', 'urn:latchkey:aal2', 'urn:latchkey:phr'];

/** Whether a sign-in of level `has` is enough where `needs` is asked for. */
export function satisfies(has: Acr, needs: Acr): boolean {
  return ACR_LEVELS.indexOf(has) >= ACR_LEVELS.indexOf(needs);
}

/** Which proofs count as the second one after a first; phone codes reach the person through Telegram, so they are not independent of it. */
const SECOND: Readonly<Record<ProofMethod, readonly ProofMethod[]>> = {
  password: ['totp', 'recovery-code', 'passkey', 'telegram', 'trusted-device'],
  mail: ['totp', 'recovery-code', 'passkey', 'telegram', 'trusted-device'],
  upstream: ['totp', 'recovery-code', 'passkey', 'telegram', 'trusted-device'],
  telegram: ['totp', 'recovery-code', 'passkey', 'trusted-device'],
  phone: ['totp', 'recovery-code', 'passkey', 'trusted-device'],
  passkey: ['totp', 'recovery-code', 'telegram'],
  totp: [],
  'recovery-code': [],
  'trusted-device': [],
};

/** The kinds of second factor that may follow this first one. */
export function secondFactorsAfter(first: ProofMethod): readonly ProofMethod[] {
  return SECOND[first];
}

/** @param proofs everything that was proven in this sign-in, in any order */
export function assuranceOf(proofs: readonly Proof[]): Assurance {
  const isVerifiedPasskey = proofs.some((proof) => proof.method === 'passkey' && proof.isUserVerified);
  const isTrustedUpstream = proofs.some((proof) => proof.method === 'upstream' && proof.isTrustedForSecondFactor);
  const amr = new Set(proofs.flatMap(valuesOf));
  // What rests on a browser was shown some other time.
  const shown = proofs.filter((proof) => proof.method !== 'trusted-device');
  if (isVerifiedPasskey || isTrustedUpstream || areIndependent(shown)) amr.add('mfa');
  if (isVerifiedPasskey) return { acr: 'urn:latchkey:phr', amr: [...amr] };
  const isTwo = areIndependent(proofs) || isTrustedUpstream;
  return { acr: isTwo ? 'urn:latchkey:aal2' : 'urn:latchkey:aal1', amr: [...amr] };
}

/**
 * What was really shown in a sign-in: without `mfa` the second factor rested on a trusted browser, which is enough to come in, and not where
 * a proof is asked for.
 */
export function shownAcr(acr: string | undefined, amr: readonly string[] | undefined): Acr {
  const level = ACR_LEVELS.find((one) => one === acr) ?? 'urn:latchkey:aal1';
  return amr?.includes('mfa') === true ? level : 'urn:latchkey:aal1';
}

/** Whether one of them may be the second factor after another. */
function areIndependent(proofs: readonly Proof[]): boolean {
  return proofs.some((first) => proofs.some((second) => SECOND[first.method].includes(second.method)));
}

function valuesOf(proof: Proof): readonly string[] {
  switch (proof.method) {
    case 'password':
      return ['pwd'];
    case 'totp':
    case 'recovery-code':
    case 'mail':
      return ['otp'];
    case 'phone':
      return ['otp', 'tg'];
    case 'passkey':
      return [proof.deviceType === 'singleDevice' ? 'hwk' : 'swk', 'user'];
    case 'telegram':
      return ['tg'];
    default:
      return [];
  }
}
