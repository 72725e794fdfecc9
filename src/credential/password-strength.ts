// How hard a password is to guess, for the meter beside the field. It advises; what is refused is decided by the rules in password.ts.
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { dictionaries } from './dictionaries.ts';

/** The estimate's time grows faster than the length, and what comes later only adds to it (characters). */
const MOST_CHARACTERS = 64;

export interface PasswordStrength {
  /** 0: at once, 1, 2, 3: good, 4: very good. */
  readonly score: 0 | 1 | 2 | 3 | 4;
  /** What is weak about it and what helps: translation keys below `password.warning` and `password.suggestion`. */
  readonly warning: string | null;
  readonly suggestions: readonly string[];
}

let estimator: ZxcvbnFactory | undefined;

function createEstimator(): ZxcvbnFactory {
  const { dictionary, adjacencyGraphs } = dictionaries();
  return new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs, maxLength: MOST_CHARACTERS });
}

/** Takes up to some 30 ms of computing. @param words the person's own, which make it weaker */
export function estimateStrength(password: string, words: readonly string[]): PasswordStrength {
  // Built when it is first asked for: its dictionaries take memory that not every process needs.
  estimator ??= createEstimator();
  const start = [...password].slice(0, MOST_CHARACTERS).join('');
  const { score, feedback } = estimator.check(start, [...words]);
  return { score, warning: feedback.warning, suggestions: feedback.suggestions };
}
