// Searching lists by the beginnings of words, in whatever order they are typed. It is full text without a language: every database has it, and an
// index answers it however long the list is. Migrations make the indexes and have to use the same expression.

/** What would make a number, a path or an address of several words is a space. */
const GLUE = `'@._-+/:<>&~', '           '`;
const MOST_WORDS = 8;

/** The words of a text of SQL. */
export function wordsOf(text: string): string {
  return `to_tsvector('simple', translate(${text}, ${GLUE}))`;
}

/** For `to_tsquery('simple', ?)`; null when there is nothing to look for. */
export function wordQuery(typed: string): string | null {
  const words = typed.split(/[^\p{L}\p{N}\p{M}]+/u).filter((word) => word !== '');
  if (words.length === 0) return null;
  return words
    .slice(0, MOST_WORDS)
    .map((word) => `${word}:*`)
    .join(' & ');
}
