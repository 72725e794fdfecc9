// Google: an OpenID provider that says everything in the ID token, so that no second call is needed.
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { createOidcKind } from './oidc.ts';

const ISSUER = 'https://accounts.google.com';

export function createGoogleAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  return createOidcKind(declaration, parts, {
    issuer: declaration.endpoints?.issuer ?? ISSUER,
    label: 'Google',
    icon: 'google',
    scopes: ['openid', 'profile', 'email'],
    usesUserinfo: false,
  });
}
