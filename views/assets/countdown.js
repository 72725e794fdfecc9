// Counts down a time to wait. It begins with the server's number on every load, so a reload cannot shorten it, and is read out once a minute.
const { lang } = document.documentElement;
const units = [
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];
const list = new Intl.ListFormat(lang, { type: 'unit', style: 'narrow' });

function inWords(seconds) {
  let rest = seconds;
  const amounts = units.map(([unit, size]) => {
    const amount = Math.floor(rest / size);
    rest %= size;
    return [unit, amount];
  });
  const first = amounts.findIndex(([, amount]) => amount > 0);
  const shown = amounts.slice(first, first + 2).filter(([, amount]) => amount > 0);
  return list.format(
    shown.map(([unit, amount]) =>
      new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'long' }).format(amount),
    ),
  );
}

for (const time of document.querySelectorAll('[data-countdown]')) {
  const line = time.closest('[data-wait-over]');
  const endsAt = Date.now() + Number(time.dataset.countdown) * 1000;
  const announcement = document.createElement('p');
  announcement.className = 'visually-hidden';
  announcement.setAttribute('role', 'status');
  line.after(announcement);
  let minutes = Math.floor(Number(time.dataset.countdown) / 60);
  const tick = () => {
    const left = Math.ceil((endsAt - Date.now()) / 1000);
    if (left <= 0) {
      clearInterval(timer);
      line.textContent = line.dataset.waitOver;
      announcement.textContent = line.dataset.waitOver;
      return;
    }
    time.textContent = inWords(left);
    if (Math.floor(left / 60) === minutes) return;
    minutes = Math.floor(left / 60);
    announcement.textContent = line.textContent;
  };
  const timer = setInterval(tick, 1000);
}
