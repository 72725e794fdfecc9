// The dictionaries of common passwords, words and keyboards. They take sixteen megabytes, so they are loaded when somebody chooses the first
// password, within a tenth of a second, and not by processes where nobody does.
import { createRequire } from 'node:module';
import type { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';

interface Dictionaries {
  readonly adjacencyGraphs: typeof adjacencyGraphs;
  readonly dictionary: typeof dictionary;
}

const load = createRequire(import.meta.url);
let words: Dictionaries | undefined;

export function dictionaries(): Dictionaries {
  words ??= load('@zxcvbn-ts/language-common') as Dictionaries;
  return words;
}
