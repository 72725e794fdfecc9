// The legacy Telegram Login Widget, for bots that still use it. Its button is drawn by Telegram's script in a frame of Telegram's, so it has a page
// of its own with a policy of its own below the interaction, and the sign-in page stays free of both. What comes back counts once, for the
// browser and the interaction that the page was made for.
import type { Context } from 'koa';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { WIDGET_PAGE_POLICY, WIDGET_SCRIPT } from '../http/headers.ts';
import type { TelegramWidgetModel } from '../http/page-model.ts';
import { checkWidget, type TelegramPerson } from '../telegram/signed-data.ts';
import { failure } from '../upstream/outgoing.ts';
import { showUpstreamFailure } from '../upstream/routes.ts';
import { type Interaction, origin } from './interaction.ts';
import type { MailedParts } from './mailed.ts';

const ATTEMPT = 'telegram-widget';
/** Seconds. */
const ATTEMPT_TTL = 600;

export async function showWidget(ctx: Context, parts: MailedParts, interaction: Interaction): Promise<void> {
  const { uid, client, uiLocales } = interaction;
  const otherWayUrl = `/interaction/${uid}?choose=1`;
  if (!interaction.upstreams.some((one) => one.door === 'widget')) {
    ctx.status = 303;
    ctx.redirect(otherWayUrl);
    return;
  }
  const bot = parts.bot?.telegram.username ?? null;
  const content = { uid, browser: ensureBrowserId(ctx, parts.naming) };
  const handle = bot === null ? '' : await parts.oneTime.put(ATTEMPT, content, { ttl: ATTEMPT_TTL });
  const model: TelegramWidgetModel = {
    client,
    widget:
      bot === null
        ? null
        : { scriptUrl: WIDGET_SCRIPT, bot, returnUrl: `${parts.issuer}/interaction/${uid}/telegram-widget/${handle}` },
    otherWayUrl,
  };
  parts.pages.show(ctx, 'telegram-widget', model, { uiLocales });
  ctx.set('Content-Security-Policy', WIDGET_PAGE_POLICY);
}

/** Back from the widget. @returns null when the page says why it does not go on */
export async function takeWidget(
  ctx: Context,
  parts: MailedParts,
  interaction: Interaction,
  handle: string,
): Promise<TelegramPerson | null> {
  const reason = await judge(ctx, parts, interaction, handle);
  await parts.audit.record({
    actor: { kind: 'anonymous' },
    action: 'telegram.widget',
    ...{ clientId: interaction.clientId, origin: origin(ctx) },
    ...(typeof reason === 'string' ? { result: 'failure', reason } : {}),
  });
  if (typeof reason !== 'string') return reason;
  const backPath = `/interaction/${interaction.uid}?choose=1`;
  showUpstreamFailure(ctx, parts.pages, 'Telegram', failure('exchange', new Error(reason)), backPath);
  return null;
}

/** @returns the person, or why there is none */
async function judge(
  ctx: Context,
  { widget, oneTime, naming }: MailedParts,
  { uid }: Interaction,
  handle: string,
): Promise<TelegramPerson | string> {
  if (widget === null) return 'off';
  const attempt = await oneTime.find<{ uid: string; browser: string }>(ATTEMPT, handle);
  // Looked at first, so that nobody but this browser can spend it.
  if (attempt?.uid !== uid || attempt.browser !== findBrowserId(ctx, naming)) return 'unknown-handle';
  if ((await oneTime.take(ATTEMPT, handle)) === null) return 'unknown-handle';
  const outcome = checkWidget(new URLSearchParams(ctx.search), widget.botToken);
  if (outcome.kind !== 'valid') return outcome.kind;
  return (await widget.usedData.use(outcome.fingerprint, outcome.expiresAt)) ? outcome.person : 'used';
}
