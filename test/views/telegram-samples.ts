// Samples of the page that waits for an answer in the bot.
import { renderSVG } from 'uqr';
import type {
  PhoneModel,
  TelegramMiniAppModel,
  TelegramWaitModel,
  TelegramWidgetModel,
} from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const url = 'https://t.me/latchkey_test_bot?start=4fGh_1bQ2wErTyUiOpAsDfGhJkLzXcVbNmQwErTyUiO';
const wait: TelegramWaitModel = {
  client: { name: 'Photo Album', host: 'photos.example.com' },
  action: '/interaction/abc/telegram/one',
  ...{ purpose: 'sign-in', state: 'open', isInChat: false },
  number: '07',
  bot: { url, name: '@latchkey_test_bot', qr: renderSVG(url) },
  minutes: 5,
  againAction: '/interaction/abc/telegram',
  otherWayUrl: '/interaction/abc',
  trust: null,
};

const miniApp: TelegramMiniAppModel = {
  ...{ action: '/telegram/mini-app', state: 'open', handle: null, who: null, client: null, scriptUrl: null },
};
const confirm: TelegramMiniAppModel = { ...miniApp, state: 'confirm', handle: 'one-time', who: 'Zoë O’Neil' };

const widget: TelegramWidgetModel = {
  client: { name: 'Photo Album', host: 'photos.example.com' },
  widget: { scriptUrl: null, bot: 'latchkey_test_bot', returnUrl: 'https://id.example.com/interaction/abc' },
  otherWayUrl: '/interaction/abc',
};

const phone: PhoneModel = {
  client: { name: 'Photo Album', host: 'photos.example.com' },
  ...{ stage: 'number', action: '/interaction/abc/phone', phone: '', remember: false, rememberDays: 30, code: null },
  otherWayUrl: '/interaction/abc',
  errors: { fields: {} },
};
const phoneCode: PhoneModel = {
  ...phone,
  ...{ stage: 'code', action: '/interaction/abc/phone/one', phone: '+7 ••• 45 67', remember: null },
  code: { digits: 6, minutes: 5, resend: { action: '/interaction/abc/phone/one/resend', wait: 0 } },
};

export const telegramSamples: readonly Sample[] = [
  { name: 'phone', page: 'phone', model: phone },
  {
    name: 'phone-number-faulty',
    page: 'phone',
    model: {
      ...phone,
      ...{ phone: '0123', remember: true, errors: { summary: 'phone.problem.number', fields: { phone: '' } } },
    } satisfies PhoneModel,
  },
  { name: 'phone-code', page: 'phone', model: phoneCode },
  {
    name: 'phone-code-wrong',
    page: 'phone',
    model: {
      ...phoneCode,
      code: { digits: 6, minutes: 4, resend: { action: '/interaction/abc/phone/one/resend', wait: 400 } },
      errors: { summary: 'phone.problem.wrong', fields: { code: '' } },
    } satisfies PhoneModel,
  },
  { name: 'telegram-wait', page: 'telegram-wait', model: wait },
  {
    name: 'telegram-wait-claimed',
    page: 'telegram-wait',
    model: { ...wait, state: 'claimed' } satisfies TelegramWaitModel,
  },
  {
    name: 'telegram-wait-away',
    page: 'telegram-wait',
    model: { ...wait, bot: null } satisfies TelegramWaitModel,
  },
  {
    name: 'telegram-wait-denied',
    page: 'telegram-wait',
    model: { ...wait, state: 'denied' } satisfies TelegramWaitModel,
  },
  {
    name: 'telegram-wait-expired',
    page: 'telegram-wait',
    model: { ...wait, state: 'expired' } satisfies TelegramWaitModel,
  },
  ...(['open', 'denied', 'expired'] as const).map((state) => ({
    name: `telegram-wait-link-${state}`,
    page: 'telegram-wait',
    model: { ...wait, client: null, purpose: 'link', state } satisfies TelegramWaitModel,
  })),
  {
    name: 'telegram-wait-chat',
    page: 'telegram-wait',
    model: { ...wait, purpose: 'second-factor', state: 'claimed', isInChat: true } satisfies TelegramWaitModel,
  },
  ...(['denied', 'expired'] as const).map((state) => ({
    name: `telegram-wait-trust-${state}`,
    page: 'telegram-wait',
    model: {
      ...wait,
      ...{ purpose: 'second-factor', state, isInChat: true, trust: { days: 30, isTicked: state === 'expired' } },
    } satisfies TelegramWaitModel,
  })),
  { name: 'telegram-mini-app', page: 'telegram-mini-app', model: miniApp },
  { name: 'telegram-mini-app-own', page: 'telegram-mini-app', model: confirm },
  {
    name: 'telegram-mini-app-client',
    page: 'telegram-mini-app',
    model: { ...confirm, client: { name: 'Photo Album', host: 'photos.example.com' } } satisfies TelegramMiniAppModel,
  },
  ...(['stale', 'invalid', 'over'] as const).map((state) => ({
    name: `telegram-mini-app-${state}`,
    page: 'telegram-mini-app',
    model: { ...miniApp, state } satisfies TelegramMiniAppModel,
  })),
  { name: 'telegram-widget', page: 'telegram-widget', model: widget },
  { name: 'telegram-widget-away', page: 'telegram-widget', model: { ...widget, widget: null } },
];
