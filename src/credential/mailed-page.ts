// What pages and mails around a mailed code have in common, whatever it is for: how long it works, the button for another mail, the message itself.
import type { Context } from 'koa';
import { asker } from '../http/asker.ts';
import type { FormProblems, ResendModel } from '../http/page-model.ts';
import type { Message } from '../notification/message.ts';
import type { FoundSecret, MailDraft, MailedSecrets } from './mailed-secret.ts';

/** What was wrong with a code, or with asking for another mail. */
export interface CodeProblem {
  readonly status: number;
  readonly key: string;
  readonly retryAfter?: number;
  /** The time to wait stands beside the button for another mail already. */
  readonly isAboutResend?: boolean;
}

export function tooEarly(retryAfter: number): CodeProblem {
  return { status: 429, key: 'mailed.problem.resend', retryAfter, isAboutResend: true };
}

/** What a page that waits for a code says about it, whatever it is for. @param path of the page */
export async function waitingForCode(
  ctx: Context,
  parts: { readonly mailed: MailedSecrets },
  found: FoundSecret<object>,
  path: string,
  problem?: CodeProblem,
) {
  const { purpose, address, expiresAt } = found;
  const resend: ResendModel = { action: `${path}/resend`, wait: await parts.mailed.resendWait(purpose, address) };
  if (problem?.retryAfter !== undefined) ctx.set('Retry-After', String(problem.retryAfter));
  const isCodeFaulty = problem !== undefined && problem.retryAfter === undefined;
  const errors: FormProblems = problem
    ? { summary: problem.key, fields: isCodeFaulty ? { code: '' } : {} }
    : { fields: {} };
  return {
    code: {
      digits: parts.mailed.codeDigits,
      minutes: Math.max(1, Math.round((expiresAt.getTime() - Date.now()) / 60_000)),
      resend,
    },
    ...(problem?.retryAfter === undefined || problem.isAboutResend ? {} : { retryAfter: problem.retryAfter }),
    errors,
  };
}

/** The message with link and code of a draft. */
export function codedMessage(
  ctx: Context,
  kind: 'sign-in' | 'verify-email' | 'reset' | 'email-change',
  to: {
    readonly email: string;
    readonly accountId: string | null;
    readonly locale: string;
    readonly zone: string | null;
  },
  draft: MailDraft,
  path: string | undefined,
): Message {
  return {
    kind,
    to: to.email,
    accountId: to.accountId,
    locale: to.locale,
    zone: to.zone,
    expiresAt: new Date(Date.now() + Math.max(draft.codeTtl, draft.linkTtl) * 1000),
    model: {
      path: `/link/${draft.linkToken}`,
      code: draft.code,
      asked: asker(ctx),
      ...(path === undefined ? {} : { notMePath: path }),
    },
  };
}

/** `m•••@example.com`: what was typed, not what is stored. A username shows nothing. */
export function maskTyped(typed: string): string | null {
  const at = typed.indexOf('@');
  return at < 1 ? null : `${[...typed][0] ?? ''}•••${typed.slice(at, at + 100)}`;
}
