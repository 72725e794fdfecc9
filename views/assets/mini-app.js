// Hands on what Telegram signed, exactly as it came; and, in the frame of Telegram Web, opens what follows in a tab, because no cookie works there.
const data = document.querySelector('[data-init]');
const confirm = document.querySelector('[data-confirm]');

if (confirm && window.top !== window) confirm.target = '_blank';

if (data) {
  const app = window.Telegram?.WebApp;
  app?.ready();
  if (app?.initData) {
    data.elements.init_data.value = app.initData;
    data.submit();
  } else {
    document.querySelector('[data-outside]').hidden = false;
    document.querySelector('[data-wait]').hidden = true;
  }
}
