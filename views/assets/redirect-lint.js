// Says what is wrong with redirect URIs while they are typed. The server decides, by the same rules: src/client/redirect-lint.ts.
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
/** Milliseconds without a key before anything is said. */
const PAUSE = 400;

/** Null for one that can be registered. */
export function redirectProblem(uri, isNative) {
  if (uri.includes('*')) return 'wildcard';
  if (!URL.canParse(uri) || /\s/.test(uri)) return 'not-url';
  const url = new URL(uri);
  if (uri.includes('#')) return 'fragment';
  if (url.username !== '' || url.password !== '') return 'credentials';
  if (url.protocol === 'https:') return null;
  if (url.protocol === 'http:') return LOOPBACK.includes(url.hostname) ? null : 'http';
  return isNative && url.protocol.includes('.') ? null : 'scheme';
}

for (const field of globalThis.document?.querySelectorAll('[data-lint]') ?? []) {
  const sentences = JSON.parse(field.dataset.lint);
  const output = document.getElementById(`${field.id}-lint`);
  // On the form for a new app the kind is chosen beside it.
  const kind = document.getElementById('template');
  let timer;
  const look = () => {
    const isNative = kind ? kind.value === 'native' : field.dataset.native === 'true';
    const uris = kind?.value === 'machine' ? [] : field.value.split(/\s+/).filter((uri) => uri !== '');
    const lines = uris.flatMap((uri) => {
      const problem = redirectProblem(uri, isNative);
      if (problem === null) return [];
      const [line, value] = [document.createElement('p'), document.createElement('bdi')];
      line.className = 'problem';
      line.dataset.problem = problem;
      value.textContent = uri.slice(0, 100);
      line.append(value, ' ', sentences[problem]);
      return [line];
    });
    output.replaceChildren(...lines);
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  };
  field.addEventListener('input', soon);
  kind?.addEventListener('change', soon);
}
