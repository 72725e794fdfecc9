// AppAuth-JS as Node can load it: the package is written for bundlers and leaves the endings of its file names away. An app that is bundled
// imports `@openid/appauth` instead of this file.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    const isItsOwn = context.parentURL?.includes('/@openid/appauth/') === true && /^\.\.?\//.test(specifier);
    return next(isItsOwn && !specifier.endsWith('.js') ? `${specifier}.js` : specifier, context);
  },
});

export const { AuthorizationRequest } = await import('@openid/appauth/built/src/authorization_request.js');
export const { AuthorizationServiceConfiguration: ServerConfiguration } = await import(
  '@openid/appauth/built/src/authorization_service_configuration.js'
);
export const { BaseTokenRequestHandler: TokenRequestHandler } = await import(
  '@openid/appauth/built/src/token_request_handler.js'
);
export const { BasicQueryStringUtils: QueryStrings } = await import('@openid/appauth/built/src/query_string_utils.js');
export const { FetchRequestor } = await import('@openid/appauth/built/src/xhr.js');
export const { NodeCrypto } = await import('@openid/appauth/built/src/node_support/crypto_utils.js');
export const { RevokeTokenRequest } = await import('@openid/appauth/built/src/revoke_token_request.js');
export const { TokenRequest } = await import('@openid/appauth/built/src/token_request.js');
