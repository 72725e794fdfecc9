// The pages of the device grant (RFC 8628, 3.3): where a code is typed, where it is compared and decided about, and what comes after. A code
// that somebody else sent is how people are tricked here, so the page says who asks, from where and when, warns, and always wants a click.
import type { Context } from 'koa';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { TooManyRequests } from '../errors.ts';
import type { Pages } from '../http/page.ts';
import type { DeviceConfirmModel, DeviceModel } from '../http/page-model.ts';
import { askedScopes } from './asked-scopes.ts';
import { clientView } from './client-view.ts';
import { DeviceCodeTaken, type DeviceInfo, type DevicePages } from './device-flow.ts';
import type { EnginePages } from './provider.ts';
import type { Resources } from './resources.ts';

interface Parts {
  readonly pages: Pages;
  readonly enginePages: EnginePages;
  readonly resources: Resources;
  readonly ownScopes: readonly string[];
}

type Problem = 'unknown' | 'expired' | 'used' | 'missing' | 'locked' | 'again';
/** The engine's errors that mean "show the form again", by their names; they are not exported. */
const PROBLEMS: Readonly<Record<string, Problem>> = {
  NotFoundError: 'unknown',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
  NoCodeError: 'missing',
};

export function createDevicePages(parts: Parts): DevicePages {
  const { pages } = parts;
  return {
    async enterCode(ctx, form, code, error) {
      if (error?.name === 'AbortedError') {
        showMessage(ctx, pages, 'device-denied', ['device.denied.title', 'device.denied.text']);
        return;
      }
      const problem = error === undefined ? undefined : problemOf(error, ctx);
      if (error !== undefined && problem === undefined) {
        await renderError(ctx, parts, error);
        return;
      }
      const retryAfter = error instanceof TooManyRequests ? error.retryAfter : undefined;
      if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
      const typed = (error as { userCode?: string } | undefined)?.userCode ?? code;
      const model: DeviceModel = {
        ...engineForm(form),
        code: typed.slice(0, 30),
        ...(retryAfter === undefined ? {} : { retryAfter }),
        errors: problem
          ? {
              summary: `device.problem.${problem}`,
              fields: problem === 'locked' || problem === 'again' ? {} : { code: '' },
            }
          : { fields: {} },
      };
      pages.show(ctx, 'device', model, { status: statusOf(problem) });
    },

    async confirm(ctx, form, info, code) {
      const device = ctx.oidc.deviceCode;
      const client = clientView(ctx.oidc.client);
      const asked = { params: device?.params ?? {}, ownScopes: parts.ownScopes, resources: parts.resources };
      const scopes = askedScopes(asked, () => false);
      const model: DeviceConfirmModel = {
        ...engineForm(form),
        client: client ?? { name: '', host: '' },
        code,
        scopes: scopes.filter((scope) => scope.name !== 'offline_access'),
        offlineAccess: scopes.some((scope) => scope.name === 'offline_access'),
        request: { ...requestOf(info), minutesAgo: minutesSince(device?.iat) },
      };
      pages.show(ctx, 'device-confirm', model);
    },

    async done(ctx) {
      showMessage(ctx, pages, 'device-done', ['device.done.title', 'device.done.text']);
    },
  };
}

function showMessage(ctx: Context, pages: Pages, pageId: string, [title, text]: readonly [string, string]): void {
  const nextSteps = [{ label: pages.text(ctx, 'error.home'), url: '/' }];
  pages.show(ctx, 'message', { pageId, title: pages.text(ctx, title), text: pages.text(ctx, text), nextSteps });
}

/** Undefined for what is no fault of the form. */
function problemOf(error: Error, ctx: KoaContextWithOIDC): Problem | undefined {
  if (error instanceof TooManyRequests) return 'locked';
  if (error instanceof DeviceCodeTaken) return 'used';
  // The form of another tab or of a session that is over: with a new one it goes on.
  if (error instanceof errors.InvalidRequest && ctx.oidc.route === 'code_verification') return 'again';
  return PROBLEMS[error.name];
}

function statusOf(problem: Problem | undefined): number {
  if (problem === undefined) return 200;
  if (problem === 'locked') return 429;
  return problem === 'again' ? 400 : 422;
}

async function renderError(ctx: KoaContextWithOIDC, { enginePages }: Parts, error: Error): Promise<void> {
  const {
    expose,
    error_description: description,
    message,
  } = error as Error & {
    expose?: boolean;
    error_description?: string;
  };
  const out = expose
    ? { error: message, ...(description ? { error_description: description } : {}) }
    : { error: 'server_error' };
  await enginePages.renderError(ctx, out, error);
}

function engineForm(form: string): { readonly action: string; readonly xsrf: string } {
  const action = /action="([^"]+)"/.exec(form)?.[1] ?? '';
  return { action: new URL(action).pathname, xsrf: /name="xsrf" value="([^"]+)"/.exec(form)?.[1] ?? '' };
}

function requestOf(info: Partial<DeviceInfo>): DeviceInfo {
  return { network: info.network ?? '', userAgent: info.userAgent ?? '' };
}

/** @param issuedAt seconds since 1970 */
function minutesSince(issuedAt: number | undefined): number {
  const now = Math.floor(Date.now() / 1000);
  return Math.max(0, Math.floor((now - (issuedAt ?? now)) / 60));
}
