// Codes as people type and paste them: with spaces, dashes and invisible characters between, in digits of any script (ui-guide 1.2).

/** Everything that may stand between the characters of a code and means nothing. */
const BETWEEN = /[\s\p{Cf}\p{Pd}._·]+/gu;
const DIGIT = /^\p{Nd}$/u;
/** Longer input is no code and is not looked at. */
const MOST_CHARACTERS = 100;

/** The `count` ASCII digits that were meant, or null. */
export function parseDigits(typed: string, count: number): string | null {
  const text = withoutBetween(typed);
  if (text === null) return null;
  const digits = [...text].map(toAsciiDigit);
  return digits.length === count && digits.every((digit) => digit !== null) ? digits.join('') : null;
}

/** The text without what stands between, or null when it cannot be a code. */
export function withoutBetween(typed: string): string | null {
  return typed.length > MOST_CHARACTERS ? null : typed.replace(BETWEEN, '');
}

/** Unicode keeps the decimal digits of a script in runs of ten from zero to nine; neighbouring runs follow one another without a gap. */
function toAsciiDigit(char: string): string | null {
  if (!DIGIT.test(char)) return null;
  const point = char.codePointAt(0) ?? 0;
  let start = point;
  while (DIGIT.test(String.fromCodePoint(start - 1))) start -= 1;
  return String((point - start) % 10);
}
