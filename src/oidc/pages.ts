// The engine's own pages in our design: its errors, the question whether to sign out, and the page after it. The engine keeps the forms'
// tokens; we only draw them.
import { type Client as EngineClient, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Accounts } from '../account/accounts.ts';
import type { Pages } from '../http/page.ts';
import { requestId } from '../http/request-id.ts';
import { type Log, serializeError } from '../log.ts';
import { clientView } from './client-view.ts';
import type { EnginePages } from './provider.ts';
import type { Trail } from './trail.ts';

interface Parts {
  readonly pages: Pages;
  readonly accounts: Accounts;
  readonly trail: Trail;
  readonly log: Log;
  /** Seconds to wait when the error means that storage is away; undefined for every other error. */
  readonly retryAfter: (error: unknown) => number | undefined;
}

export function createEnginePages(parts: Parts): EnginePages {
  const { pages, accounts } = parts;
  return {
    async renderError(ctx, out, error) {
      const retryAfter = parts.retryAfter(error);
      if (retryAfter !== undefined) {
        ctx.status = 503;
        ctx.set('Retry-After', String(retryAfter));
      }
      const engineClient = await findClient(ctx, parts.trail);
      const client = clientView(engineClient);
      const code = retryAfter === undefined ? stableCode(error, out.error) : 'unavailable';
      const nextSteps = [];
      const restartUrl = engineClient?.['initiateLoginUri'] ?? client?.url;
      if (client && typeof restartUrl === 'string') {
        nextSteps.push({ label: pages.text(ctx, 'error.back_to_client', { client: client.name }), url: restartUrl });
      }
      nextSteps.push({ label: pages.text(ctx, 'error.home'), url: '/' });
      pages.show(
        ctx,
        'error',
        {
          code,
          client,
          nextSteps,
          details:
            out.error === 'server_error'
              ? null
              : { error: out.error, ...(out.error_description ? { description: out.error_description } : {}) },
          ...(retryAfter === undefined ? {} : { retryAfter }),
          ...operatorHint(error, out, ctx),
        },
        { status: ctx.status },
      );
      if (out.error === 'server_error' && retryAfter === undefined) {
        parts.log.error({ requestId: requestId(ctx), err: serializeError(error) }, 'protocol request failed');
      }
    },

    async logout(ctx, form) {
      const action = /action="([^"]+)"/.exec(form)?.[1] ?? '';
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(form)?.[1] ?? '';
      const subject = ctx.oidc.session?.accountId;
      const account = subject === undefined ? null : await accounts.findBySubject(subject);
      if (account) pages.honourTheme(ctx, account);
      pages.show(ctx, 'logout', {
        client: clientView(ctx.oidc.client),
        account: account
          ? { name: account.name ?? account.username ?? account.email ?? '', email: account.email }
          : null,
        confirmAction: new URL(action).pathname,
        xsrf,
      });
    },

    async loggedOut(ctx) {
      const client = clientView(ctx.oidc.client);
      pages.show(ctx, 'logged-out', { client, returnUrl: client?.url ?? null });
    },
  };
}

/** The client of the request, or the one that an interaction was for which the engine has forgotten. */
async function findClient(ctx: KoaContextWithOIDC, trail: Trail): Promise<EngineClient | undefined> {
  const known = ctx.oidc?.entities.Client;
  const uid = /^\/auth\/([\w-]+)$/.exec(ctx.path)?.[1];
  const clientId = known || uid === undefined ? null : trail.findClientId(ctx, uid);
  return clientId === null ? known : ctx.oidc.provider.Client.find(clientId);
}

/** Kebab-case, stable, one for each thing that a person or a test must tell apart. */
function stableCode(error: Error, wireCode: string): string {
  if (error instanceof errors.SessionNotFound) return 'interaction-expired';
  if (error instanceof errors.InvalidRedirectUri) return 'redirect-uri-mismatch';
  return wireCode.replaceAll('_', '-');
}

/** What the client's administrator must change, with the values that were seen. Neither is a secret. */
function operatorHint(error: Error, out: { error_description?: string }, ctx: KoaContextWithOIDC): object {
  const params = ctx.oidc?.params;
  if (error instanceof errors.InvalidRedirectUri) {
    const seen = textOf(params?.['redirect_uri']).slice(0, 300);
    return { operatorHint: `redirect_uri: ${seen} — client_id: ${textOf(params?.['client_id']).slice(0, 200)}` };
  }
  if (error instanceof errors.InvalidClient) {
    return {
      operatorHint: `client_id: ${textOf(params?.['client_id']).slice(0, 200)} — ${out.error_description ?? ''}`,
    };
  }
  return {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
