// Passkeys: asks the browser for one and sends its answer with the button's form. The browser's JSON helpers are left alone: some password
// managers break them.
const Key = window.PublicKeyCredential;
const RENEW_MS = 240_000;
const decode = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(
    /[+/=]/g,
    (char) => ({ '+': '-', '/': '_' })[char] ?? '',
  );
const descriptors = (list) => list?.map((one) => ({ ...one, id: decode(one.id) }));
let pending;
let renewal;

function toOptions(json) {
  return {
    ...json,
    challenge: decode(json.challenge),
    user: json.user && { ...json.user, id: decode(json.user.id) },
    allowCredentials: descriptors(json.allowCredentials),
    excludeCredentials: descriptors(json.excludeCredentials),
  };
}

function toAnswer({ id, type, response }) {
  const answer = {};
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (response[name]) answer[name] = encode(response[name]);
  }
  if (response.getTransports) answer.transports = response.getTransports();
  return JSON.stringify({ id, rawId: id, type, response: answer });
}

async function ask(button, mediation) {
  clearTimeout(renewal);
  pending?.abort();
  pending = new AbortController();
  const { signal } = pending;
  const body = new URLSearchParams({ csrf: button.form.elements.csrf.value });
  const response = await fetch(button.dataset.options, { method: 'POST', body, signal });
  const publicKey = toOptions(await response.json());
  const credential = await navigator.credentials[button.dataset.passkey]({ publicKey, signal, mediation });
  const field = Object.assign(document.createElement('input'), { type: 'hidden', name: 'answer' });
  field.value = toAnswer(credential);
  button.form.append(field);
  button.form.requestSubmit(button);
}

/** In the browser's own list, renewed in time. */
async function offer(button) {
  if (!('autofill' in button.dataset) || !(await Key.isConditionalMediationAvailable?.())) return;
  ask(button, 'conditional').catch(() => {});
  renewal = setTimeout(offer, RENEW_MS, button);
}

for (const button of Key ? document.querySelectorAll('[data-passkey]') : []) {
  const problem = button.form.querySelector('[data-passkey-problem]');
  button.hidden = false;
  button.form.querySelector('[data-passkey-missing]')?.remove();
  button.addEventListener('click', async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      await ask(button);
    } catch (error) {
      if (error.name === 'AbortError') return;
      problem.hidden = false;
      void offer(button);
    }
  });
  void offer(button);
}

for (const { dataset } of document.querySelectorAll('[data-passkey-signal]')) {
  Key?.[dataset.passkeySignal]?.(JSON.parse(dataset.passkeyDetails)).catch(() => {});
}
