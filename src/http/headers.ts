// Security headers of every answer. Written by hand, because nearly every default of the known packages is wrong for an identity provider:
// see docs/security.md for each value's reason.
import type { Middleware } from 'koa';

const BASE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
];
/**
 * Without `form-action`: browsers apply it to the redirect after the post as well, and sign-in, consent and logout must be able to lead
 * back to the client. Also in front of the engine, which adds the hash of its form_post script to `script-src`.
 */
const OPEN_FORM_POLICY = BASE_POLICY.join('; ');
const OWN_FORM_POLICY = [...BASE_POLICY, "form-action 'self'"].join('; ');

export const TELEGRAM_SCRIPT = 'https://telegram.org/js/telegram-web-app.js';

/** Of the page that Telegram Web opens in a frame, with the script that tells it who opened it. */
export const FRAMED_PAGE_POLICY = BASE_POLICY.map((rule) => {
  if (rule.startsWith('frame-ancestors')) return 'frame-ancestors https://web.telegram.org';
  return rule.startsWith('script-src') ? `${rule} ${TELEGRAM_SCRIPT}` : rule;
}).join('; ');

export const WIDGET_SCRIPT = 'https://telegram.org/js/telegram-widget.js?22';

/** Of the page with the legacy widget: its script, and the frame that this makes. */
export const WIDGET_PAGE_POLICY = [
  ...BASE_POLICY.map((rule) =>
    rule.startsWith('script-src') ? `${rule} https://telegram.org/js/telegram-widget.js` : rule,
  ),
  'frame-src https://oauth.telegram.org',
].join('; ');

export type FormTarget = 'anywhere' | 'self';

export function contentSecurityPolicy(formTarget: FormTarget): string {
  return formTarget === 'self' ? OWN_FORM_POLICY : OPEN_FORM_POLICY;
}

const PERMISSIONS =
  'accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), ' +
  'payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)';

const HEADERS = Object.entries({
  'Content-Security-Policy': OPEN_FORM_POLICY,
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin-allow-popups',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Permissions-Policy': PERMISSIONS,
  'Cache-Control': 'no-store',
});

/** Sets what every answer carries; a page or the engine may sharpen it afterwards. */
export function securityHeaders(): Middleware {
  return async (ctx, next) => {
    const { res } = ctx;
    for (const [name, value] of HEADERS) res.setHeader(name, value);
    await next();
    // Browser code of other origins may read what CORS opens to it.
    if (res.hasHeader('Access-Control-Allow-Origin')) ctx.set('Cross-Origin-Resource-Policy', 'cross-origin');
  };
}
