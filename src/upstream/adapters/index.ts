// Which kinds of upstream there are. A new provider is one file beside this one and one line here.
import type { AdapterDeclaration, AdapterFactory, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { createAppleAdapter } from './apple.ts';
import { createDiscordAdapter } from './discord.ts';
import { createGithubAdapter } from './github.ts';
import { createGoogleAdapter } from './google.ts';
import { createMicrosoftAdapter } from './microsoft.ts';
import { createOidcAdapter } from './oidc.ts';
import { createTelegramAdapter } from './telegram.ts';
import { createXAdapter } from './x.ts';

const KINDS = new Map<string, AdapterFactory>([
  ['apple', createAppleAdapter],
  ['discord', createDiscordAdapter],
  ['github', createGithubAdapter],
  ['google', createGoogleAdapter],
  ['microsoft', createMicrosoftAdapter],
  ['oidc', createOidcAdapter],
  ['telegram', createTelegramAdapter],
  ['x', createXAdapter],
]);

/** Null for a kind that this build cannot do. */
export function createAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter | null {
  return KINDS.get(declaration.kind)?.(declaration, parts) ?? null;
}
