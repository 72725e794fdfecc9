// Waits for the answer in the bot and goes on by itself. Without events it asks now and then; without script there is the button.
const form = document.querySelector('[data-telegram]');
const line = document.querySelector('[data-waiting]');
const POLL_MS = 3000;
let isDone = false;

function see(state) {
  if (isDone) return;
  if (state === 'claimed') line.textContent = line.dataset.claimedText;
  if (state === 'open' || state === 'claimed') return;
  isDone = true;
  events.close();
  if (state === 'approved') form.requestSubmit();
  else location.reload();
}

async function ask() {
  if (isDone) return;
  try {
    const answer = await fetch(`${form.dataset.telegram}/state`, { headers: { accept: 'application/json' } });
    if (answer.ok) see((await answer.json()).state);
  } catch {
    // The network comes back, or the button is pressed.
  }
  if (!isDone) setTimeout(ask, POLL_MS);
}

const events = new EventSource(`${form.dataset.telegram}/events`);
events.addEventListener('message', (event) => see(event.data));
events.addEventListener('error', () => {
  if (events.readyState === EventSource.CLOSED) setTimeout(ask, POLL_MS);
});
