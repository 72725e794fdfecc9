// The page: three buttons and what came out.
import { Session } from './session.js';

const settings = await (await fetch('/settings.json')).json();
const session = new Session(settings);
const element = (id) => document.getElementById(id);

function show(claims) {
  element('status').textContent = claims ? `Signed in as ${claims.name ?? claims.sub}` : 'You are not signed in.';
  element('sign-in').hidden = Boolean(claims);
  element('ask').hidden = !claims;
  element('sign-out').hidden = !claims;
}

async function ask() {
  const answers = await Promise.all(Array.from({ length: 10 }, () => session.fetch(`${settings.issuer}/me`)));
  if (answers.includes(null)) {
    show(null);
    return;
  }
  const people = await Promise.all(answers.map((answer) => answer.json()));
  element('answer').textContent = people.map(({ name, email }) => `${name} <${email}>`).join('\n');
}

/** What went wrong is said to the person; the page goes on. */
function orSay(work) {
  return () =>
    work().catch((error) => {
      element('status').textContent = `That did not work: ${error.message}`;
    });
}

element('sign-in').addEventListener(
  'click',
  orSay(() => session.signIn()),
);
element('ask').addEventListener('click', orSay(ask));
element('sign-out').addEventListener(
  'click',
  orSay(() => session.signOut()),
);
await orSay(async () => show(await session.start()))();
