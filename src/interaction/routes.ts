// Sign-in, consent and the other prompts below /interaction/:uid. A page finishes its prompt and hands the browser back; no page calls another.
// An interaction that is over leads to a page with a way on, never to a bare error.
import Router, { type RouterContext } from '@koa/router';
import type { Context } from 'koa';
import { errors } from 'oidc-provider';
import { NotFound } from '../errors.ts';
import { csrfField, formBody } from '../http/form.ts';
import { clientView } from '../oidc/client-view.ts';
import { showConsent, submitConsent } from './consent.ts';
import { accountView, type Interaction, type InteractionParts, loadInteraction } from './interaction.ts';
import { showLogin, submitLogin } from './login.ts';
import {
  isMailCodeRequest,
  requestMailCode,
  resendMailCode,
  showMailCode,
  submitMailCode,
  submitMailLink,
} from './mail-code.ts';
import { sendPasskeyOptions, submitPasskey } from './passkey-login.ts';
import { resendPhoneCode, showPhone, showPhoneCode, submitPhone, submitPhoneCode } from './phone.ts';
import { showRegister, submitRegister } from './register.ts';
import { finishAccountChoice, finishDenied } from './result.ts';
import {
  type SecondFactorParts,
  sendSecondFactorOptions,
  showSecondFactor,
  submitSecondFactor,
} from './second-factor.ts';
import { sendSetupOptions, showSetup, submitSetup } from './second-factor-setup.ts';
import {
  sendSetupApprovalState,
  showSetupApproval,
  streamSetupApprovalState,
  submitSetupApproval,
  submitSetupQuestion,
} from './second-factor-setup-telegram.ts';
import {
  sendFactorApprovalState,
  showFactorApproval,
  streamFactorApprovalState,
  submitFactorApproval,
  submitFactorQuestion,
} from './second-factor-telegram.ts';
import { showSelectAccount, submitSelectAccount } from './select-account.ts';
import { showSelectOrganization, submitSelectOrganization } from './select-organization.ts';
import { stepUp } from './sign-in.ts';
import { sendApprovalState, showApproval, streamApprovalState, submitAgain } from './telegram.ts';
import { showWidget } from './telegram-widget.ts';
import { showTerms, submitTerms } from './terms.ts';
import {
  findHinted,
  findTypedUpstream,
  finishMiniApp,
  finishUpstream,
  finishWidget,
  showUpstreamAccount,
  startUpstream,
  submitApproval,
  submitUpstream,
  submitUpstreamCreate,
  submitUpstreamLink,
} from './upstream-login.ts';
import { type RegisterParts, resendVerification, showVerify, submitVerify, submitVerifyLink } from './verify.ts';

type Step = (ctx: Context, parts: InteractionParts, interaction: Interaction) => void | Promise<void>;

type RoutesParts = SecondFactorParts & RegisterParts;

export function interactionRoutes(parts: RoutesParts): Router {
  const router = new Router({ prefix: '/interaction/:uid' });
  const show = (step: Step) => async (ctx: RouterContext) => within(ctx, parts, step);
  const submit = (prompt: string | null, step: Step) => async (ctx: RouterContext) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await within(ctx, parts, async (inner, _parts, interaction) => {
      // A form of another prompt than the one that is asked now: a second tab or the back button. Show what is asked now.
      if (prompt !== null && interaction.details.prompt.name !== prompt) {
        inner.status = 303;
        inner.redirect(`/interaction/${interaction.uid}`);
        return;
      }
      await step(inner, parts, interaction);
    });
  };

  router.get(
    '/',
    show((ctx, _, one) => showPrompt(ctx, parts, one)),
  );
  const body = formBody();
  for (const [path, prompt, step] of [
    ['/login', 'login', submitSignIn],
    ['/consent', 'consent', submitConsent],
    ['/terms', 'terms', submitTerms],
    ['/select-account', 'select_account', submitSelectAccount],
    ['/organization', 'organization', submitSelectOrganization],
    ['/switch', null, (ctx: Context) => finishAccountChoice(ctx, parts.engine, null)],
    ['/abort', null, (ctx: Context) => finishDenied(ctx, parts.engine)],
    ['/mail-link', 'login', (ctx: Context, _: unknown, one: Interaction) => submitMailLink(ctx, parts, one)],
    ['/passkey', 'login', (ctx: Context, _: unknown, one: Interaction) => submitPasskey(ctx, parts, one)],
    ['/passkey/options', 'login', (ctx: Context) => sendPasskeyOptions(ctx, parts)],
    ['/upstream', 'login', (ctx: Context, _: unknown, one: Interaction) => submitUpstream(ctx, parts, one)],
    ['/telegram', 'login', (ctx: Context, _: unknown, one: Interaction) => submitAgain(ctx, parts, one)],
    ['/verify-link', 'login', (ctx: Context, _: unknown, one: Interaction) => submitVerifyLink(ctx, parts, one)],
  ] as const) {
    router.post(path, body, submit(prompt, step));
    // A reload of the answer to a form.
    router.get(path, (ctx) => {
      ctx.status = 303;
      ctx.redirect(`/interaction/${String(ctx.params['uid'])}`);
    });
  }
  router.get('/register', show(onlyAtLogin((ctx, one) => showRegister(ctx, parts, one))));
  router.post(
    '/register',
    body,
    submit('login', (ctx, _, one) => submitRegister(ctx, parts, one)),
  );
  router.get('/phone', show(onlyAtLogin((ctx, one) => showPhone(ctx, parts, one))));
  router.post(
    '/phone',
    body,
    submit('login', (ctx, _, one) => submitPhone(ctx, parts, one)),
  );
  for (const [path, showStep, submitStep] of [
    ['/mail-code/:requestId', showMailCode, submitMailCode],
    ['/verify/:requestId', showVerify, submitVerify],
    ['/phone/:requestId', showPhoneCode, submitPhoneCode],
    ['/second-factor/:requestId', showSecondFactor, submitSecondFactor],
    ['/second-factor-setup/:requestId', showSetup, submitSetup],
    ['/telegram/:requestId', showApproval, submitApproval],
  ] as const) {
    router.get(path, show(onlyAtLogin((ctx, one) => showStep(ctx, parts, one, requestOf(ctx)))));
    router.post(
      path,
      body,
      submit('login', (ctx, _, one) => submitStep(ctx, parts, one, requestOf(ctx))),
    );
  }
  for (const [page, ask, finish] of [
    ['second-factor', submitFactorQuestion, submitFactorApproval],
    ['second-factor-setup', submitSetupQuestion, submitSetupApproval],
  ] as const) {
    const inBot = `/${page}/:requestId/telegram`;
    router.post(
      inBot,
      body,
      submit('login', (ctx, _, one) => ask(ctx, parts, one, requestOf(ctx))),
    );
    router.get(inBot, (ctx) => {
      ctx.status = 303;
      ctx.redirect(`/interaction/${String(ctx.params['uid'])}/${page}/${requestOf(ctx)}?method=telegram`);
    });
    router.post(
      `${inBot}/:approval`,
      body,
      submit('login', (ctx, _, one) => finish(ctx, parts, one, requestOf(ctx), approvalOf(ctx))),
    );
  }
  for (const [path, step] of [
    ['/second-factor/:requestId/telegram/:approval', showFactorApproval],
    ['/second-factor/:requestId/telegram/:approval/state', sendFactorApprovalState],
    ['/second-factor/:requestId/telegram/:approval/events', streamFactorApprovalState],
    ['/second-factor-setup/:requestId/telegram/:approval', showSetupApproval],
    ['/second-factor-setup/:requestId/telegram/:approval/state', sendSetupApprovalState],
    ['/second-factor-setup/:requestId/telegram/:approval/events', streamSetupApprovalState],
  ] as const) {
    router.get(path, show(onlyAtLogin((ctx, one) => step(ctx, parts, one, requestOf(ctx), approvalOf(ctx)))));
  }
  for (const [path, step] of [
    ['mail-code', resendMailCode],
    ['verify', resendVerification],
    ['phone', resendPhoneCode],
  ] as const) {
    router.post(
      `/${path}/:requestId/resend`,
      body,
      submit('login', (ctx, _, one) => step(ctx, parts, one, requestOf(ctx))),
    );
    router.get(`/${path}/:requestId/resend`, (ctx) => {
      ctx.status = 303;
      ctx.redirect(`/interaction/${String(ctx.params['uid'])}/${path}/${requestOf(ctx)}`);
    });
  }
  for (const [path, step] of [
    ['/second-factor/:requestId/options', sendSecondFactorOptions],
    ['/second-factor-setup/:requestId/options', sendSetupOptions],
  ] as const) {
    router.post(
      path,
      body,
      submit('login', (ctx, _, one) => step(ctx, parts, one, requestOf(ctx))),
    );
  }
  for (const [path, step] of [
    ['/upstream/:requestId', finishUpstream],
    ['/telegram-widget', showWidget],
    ['/telegram-widget/:requestId', finishWidget],
    ['/upstream-account/:requestId', showUpstreamAccount],
    ['/telegram/:requestId/state', sendApprovalState],
    ['/telegram/:requestId/events', streamApprovalState],
  ] as const) {
    router.get(path, show(onlyAtLogin((ctx, one) => step(ctx, parts, one, requestOf(ctx)))));
  }
  for (const [path, step] of [
    ['/upstream-account/:requestId/link', submitUpstreamLink],
    ['/upstream-account/:requestId/create', submitUpstreamCreate],
  ] as const) {
    router.post(
      path,
      body,
      submit('login', (ctx, _, one) => step(ctx, parts, one, requestOf(ctx))),
    );
    router.get(path, (ctx) => {
      ctx.status = 303;
      ctx.redirect(`/interaction/${String(ctx.params['uid'])}`);
    });
  }
  return router;

  async function submitSignIn(ctx: Context, _: InteractionParts, interaction: Interaction): Promise<void> {
    const upstream = isMailCodeRequest(ctx) ? null : findTypedUpstream(ctx, parts, interaction);
    if (upstream) await startUpstream(ctx, parts, interaction, upstream.upstream, upstream.login);
    else await (isMailCodeRequest(ctx) ? requestMailCode : submitLogin)(ctx, parts, interaction);
  }
}

function requestOf(ctx: Context): string {
  return String((ctx as RouterContext).params['requestId']);
}

function approvalOf(ctx: Context): string {
  return String((ctx as RouterContext).params['approval']);
}

/** A page of the login prompt, opened when something else is asked: the way to what is asked. */
function onlyAtLogin(step: (ctx: Context, interaction: Interaction) => void | Promise<void>): Step {
  return async (ctx, _parts, interaction) => {
    if (interaction.details.prompt.name === 'login') {
      await step(ctx, interaction);
      return;
    }
    ctx.status = 303;
    ctx.redirect(`/interaction/${interaction.uid}`);
  };
}

async function showPrompt(ctx: Context, parts: RoutesParts, interaction: Interaction): Promise<void> {
  switch (interaction.details.prompt.name) {
    case 'login':
      if (parts.registration !== 'closed' && parts.heldInvitations.takeNews(ctx)) {
        ctx.status = 303;
        ctx.redirect(`/interaction/${interaction.uid}/register`);
        return;
      }
      if (!(await stepUp(ctx, parts, interaction))) await showSignIn(ctx, parts, interaction);
      return;
    case 'consent':
      await showConsent(ctx, parts, interaction);
      return;
    case 'select_account':
      await showSelectAccount(ctx, parts, interaction);
      return;
    case 'organization':
      await showSelectOrganization(ctx, parts, interaction);
      return;
    case 'terms':
      showTerms(ctx, parts, interaction);
      return;
    default:
      throw new NotFound('We do not know this step.', { code: 'unknown-prompt' });
  }
}

async function showSignIn(ctx: Context, parts: SecondFactorParts, interaction: Interaction): Promise<void> {
  if (await finishMiniApp(ctx, parts, interaction)) return;
  const upstream = findHinted(ctx, interaction);
  if (upstream) await startUpstream(ctx, parts, interaction, upstream);
  else showLogin(ctx, parts, interaction);
}

async function within(ctx: RouterContext, parts: InteractionParts, step: Step): Promise<void> {
  let interaction: Interaction;
  try {
    interaction = await loadInteraction(ctx, parts);
  } catch (error) {
    if (!(error instanceof errors.SessionNotFound)) throw error;
    await showOver(ctx, parts);
    return;
  }
  await step(ctx, parts, interaction);
}

/** Expired, finished, or begun in another browser: say which app it was for, whether one is signed in, and where to go. */
async function showOver(ctx: RouterContext, parts: InteractionParts): Promise<void> {
  const { provider } = parts.engine;
  const clientId = parts.trail.findClientId(ctx, String(ctx.params['uid']));
  const engineClient = clientId === null ? undefined : await provider.Client.find(clientId);
  const client = clientView(engineClient);
  const session = await provider.Session.get(ctx);
  const account = session.accountId === undefined ? null : await parts.accounts.findBySubject(session.accountId);
  const restart = engineClient?.['initiateLoginUri'] ?? client?.url;
  const nextSteps = [];
  if (client && typeof restart === 'string') {
    nextSteps.push({ label: parts.pages.text(ctx, 'error.back_to_client', { client: client.name }), url: restart });
  }
  nextSteps.push({ label: parts.pages.text(ctx, 'error.home'), url: '/' });
  const isSignedIn = account?.status === 'active';
  parts.pages.show(
    ctx,
    'error',
    { code: isSignedIn ? 'interaction-finished' : 'interaction-expired', client, nextSteps, details: null },
    { status: isSignedIn ? 200 : 410, account: isSignedIn ? accountView(account) : null },
  );
}
