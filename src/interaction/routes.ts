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
import { isMailCodeRequest, requestMailCode, showMailCode, submitMailCode, submitMailLink } from './mail-code.ts';
import { showRegister, showVerify, submitRegister, submitVerify, submitVerifyLink } from './register.ts';
import { finishAccountChoice, finishDenied } from './result.ts';
import { type SecondFactorParts, showSecondFactor, submitSecondFactor } from './second-factor.ts';
import { showSelectAccount, submitSelectAccount } from './select-account.ts';

type Step = (ctx: Context, parts: InteractionParts, interaction: Interaction) => void | Promise<void>;

export function interactionRoutes(parts: SecondFactorParts): Router {
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

  router.get('/', show(showPrompt));
  const body = formBody();
  for (const [path, prompt, step] of [
    ['/login', 'login', submitSignIn],
    ['/consent', 'consent', submitConsent],
    ['/select-account', 'select_account', submitSelectAccount],
    ['/switch', null, (ctx: Context) => finishAccountChoice(ctx, parts.engine, null)],
    ['/abort', null, (ctx: Context) => finishDenied(ctx, parts.engine)],
    ['/mail-link', 'login', (ctx: Context, _: unknown, one: Interaction) => submitMailLink(ctx, parts, one)],
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
  for (const [path, showStep, submitStep] of [
    ['/mail-code/:requestId', showMailCode, submitMailCode],
    ['/verify/:requestId', showVerify, submitVerify],
    ['/second-factor/:requestId', showSecondFactor, submitSecondFactor],
  ] as const) {
    const requestOf = (ctx: Context): string => String((ctx as RouterContext).params['requestId']);
    router.get(path, show(onlyAtLogin((ctx, one) => showStep(ctx, parts, one, requestOf(ctx)))));
    router.post(
      path,
      body,
      submit('login', (ctx, _, one) => submitStep(ctx, parts, one, requestOf(ctx))),
    );
  }
  return router;

  async function submitSignIn(ctx: Context, _: InteractionParts, interaction: Interaction): Promise<void> {
    await (isMailCodeRequest(ctx) ? requestMailCode : submitLogin)(ctx, parts, interaction);
  }
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

async function showPrompt(ctx: Context, parts: InteractionParts, interaction: Interaction): Promise<void> {
  switch (interaction.details.prompt.name) {
    case 'login':
      showLogin(ctx, parts, interaction);
      return;
    case 'consent':
      await showConsent(ctx, parts, interaction);
      return;
    case 'select_account':
      await showSelectAccount(ctx, parts, interaction);
      return;
    default:
      throw new NotFound('We do not know this step.', { code: 'unknown-prompt' });
  }
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
