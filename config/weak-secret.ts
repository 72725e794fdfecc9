// Tells a secret that somebody could guess from one that came out of a generator: length, repeats, sequences, and the
// words of examples.

/** Below this many bytes a secret is refused. */
const LEAST_BYTES = 32;
/** Even 32 random hexadecimal digits practically never have fewer different characters than this. */
const LEAST_DIFFERENT = 8;
/** Six letters or more: shorter words turn up in random base64 by chance. */
const EXAMPLE_WORDS =
  /change.?me|replace|example|placeholder|password|passwort|secret|insecure|default|latchkey|openssl|qwerty|letmein|123456789|abcdefgh/i;

/** What makes a secret guessable, as a sentence that follows the setting's name; undefined when nothing does. */
export function findWeakness(secret: string): string | undefined {
  const bytes = Buffer.byteLength(secret);
  if (bytes < LEAST_BYTES) return `has ${bytes} bytes and needs at least ${LEAST_BYTES}`;
  if (isExample(secret)) return 'looks like an example, not like a secret of your own';
  if (new Set(secret).size < LEAST_DIFFERENT || isRepetition(secret) || isSequence(secret)) {
    return 'repeats itself and could be guessed';
  }
  return undefined;
}

export function isExample(secret: string): boolean {
  return EXAMPLE_WORDS.test(secret);
}

/** One piece written several times: such a text is found inside its own double before its end. */
function isRepetition(text: string): boolean {
  return (text + text).indexOf(text, 1) < text.length;
}

/** More than half of the characters follow their neighbour in the alphabet, or repeat it. */
function isSequence(text: string): boolean {
  let steps = 0;
  for (let at = 1; at < text.length; at += 1) {
    if (Math.abs(text.charCodeAt(at) - text.charCodeAt(at - 1)) <= 1) steps += 1;
  }
  return steps > text.length / 2;
}
