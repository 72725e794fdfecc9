// Names and other words that people typed, or that a browser sent about itself, on their way into a mail to somebody else: one short line of
// plain text that no mail program turns into a link.

const MOST_CHARACTERS = 60;
/** Control, format (direction marks, zero-width), private and unassigned characters, and line ends. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;
const LINK_LIKE = /:\/\/|www\.|@|\bxn--|[\p{L}\p{N}-]\.\p{L}{2,}|\d\.\d+\.\d+\.\d|[/\\]{2}/iu;
const DOT_LIKE = /[。．｡․‧·•]/gu;

/** The text in one line and cut to 60 characters; null when nothing is left or when it could be read as an address. */
export function typedText(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  // A bound before anything that walks over the text.
  const line = text.slice(0, 1000).normalize('NFC').replace(INVISIBLE, ' ').replace(/\s+/gu, ' ').trim();
  if (line === '' || LINK_LIKE.test(line.normalize('NFKC').replace(DOT_LIKE, '.'))) return null;
  const characters = [...line];
  return characters.length > MOST_CHARACTERS ? `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…` : line;
}
