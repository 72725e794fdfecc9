// The page between a first factor and the sign-in: a code of the authenticator app, or a recovery code. Tries are counted per account over all
// sign-ins, so that starting over buys no new ones (requirements L5).
import type { Context } from 'koa';
import { z } from 'zod';
import type { RecoveryCodes } from '../credential/recovery-code.ts';
import type { Totp } from '../credential/totp.ts';
import { asker } from '../http/asker.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { SecondFactorModel } from '../http/page-model.ts';
import { accountView, type Interaction, origin } from './interaction.ts';
import { type MailedParts, notMePath } from './mailed.ts';
import { completeSignIn, findHalfSignedIn, type SignInParts, takeHalfSignedIn } from './sign-in.ts';

const FORM = z.strictObject({ code: z.string().max(100) });

export interface SecondFactorParts extends MailedParts, SignInParts {
  readonly totp: Totp;
  readonly recoveryCodes: RecoveryCodes;
}

type Method = 'totp' | 'recovery-code';

interface Problem {
  readonly status: number;
  readonly key: string;
  readonly retryAfter?: number | undefined;
}

export async function showSecondFactor(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  problem?: Problem,
): Promise<void> {
  const found = await findHalfSignedIn(ctx, parts, interaction, token);
  if (!found) {
    ctx.status = 303;
    ctx.redirect(`/interaction/${interaction.uid}`);
    return;
  }
  const method = methodOf(ctx);
  const others = (['totp', 'recovery-code'] as const).filter((one) => one !== method && found.factors.includes(one));
  const model: SecondFactorModel = {
    client: interaction.client,
    action: `${ctx.path}${method === 'totp' ? '' : '?method=recovery-code'}`,
    method,
    others: others.map((one) => ({ method: one, url: `${ctx.path}${one === 'totp' ? '' : '?method=recovery-code'}` })),
    switchAction: `/interaction/${interaction.uid}/switch`,
    ...(problem?.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }),
    errors: problem ? { summary: problem.key, fields: { code: '' } } : { fields: {} },
  };
  if (problem?.retryAfter !== undefined) ctx.set('Retry-After', String(problem.retryAfter));
  parts.pages.show(ctx, 'second-factor', model, {
    status: problem?.status ?? 200,
    uiLocales: interaction.uiLocales,
    accountLocale: found.account.locale,
    account: accountView(found.account),
  });
}

export async function submitSecondFactor(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const { code } = parseForm(ctx, FORM);
  const method = methodOf(ctx);
  const found = await findHalfSignedIn(ctx, parts, interaction, token);
  if (!found?.factors.includes(method)) {
    await showSecondFactor(ctx, parts, interaction, token);
    return;
  }
  const { account, half } = found;
  const attempt = await parts.lockout.attemptFactor({
    accountId: account.id,
    network: clientNetwork(ctx),
    isKnownDevice: parts.knownAccounts.isKnown(ctx, account),
  });
  const failure = {
    actor: { kind: 'account', id: account.id },
    action: 'session.start',
    target: { kind: 'account', id: account.id },
    clientId: interaction.clientId,
    origin: origin(ctx),
    result: 'failure',
  } as const;
  if (!attempt.isAllowed) {
    await parts.audit.record({ ...failure, reason: `locked-${attempt.reason}` });
    const retryAfter = attempt.retryAfter ?? undefined;
    await showSecondFactor(ctx, parts, interaction, token, { status: 429, key: 'mailed.problem.wait', retryAfter });
    return;
  }
  const isRight =
    method === 'totp'
      ? await parts.totp.verify(account.id, code)
      : (await parts.recoveryCodes.take(account.id, code, async (em, left) => {
          if (account.email === null) return;
          await parts.notifications.send(em, {
            kind: 'notice',
            ...{ to: account.email, accountId: account.id, zone: account.zoneinfo },
            locale: account.locale ?? parts.pages.locale(ctx),
            expiresAt: new Date(Date.now() + 24 * 3600 * 1000),
            model: {
              ...({ what: 'recovery-code-used', asked: asker(ctx), remaining: left } as const),
              path: await notMePath(em, parts, account.id),
            },
          });
        })) !== null;
  if (!isRight) {
    await parts.audit.record({ ...failure, reason: `wrong-${method}` });
    await showSecondFactor(ctx, parts, interaction, token, { status: 422, key: `second_factor.problem.${method}` });
    return;
  }
  await attempt.succeed();
  if (!(await takeHalfSignedIn(parts, token))) {
    await showSecondFactor(ctx, parts, interaction, token);
    return;
  }
  await completeSignIn(ctx, parts, interaction, account, [half.first, { method }], half.remember);
}

function methodOf(ctx: Context): Method {
  return ctx.query['method'] === 'recovery-code' ? 'recovery-code' : 'totp';
}
