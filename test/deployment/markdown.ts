// Reads Markdown as far as the tests of the documentation need it: code blocks, inline code, links, headings.

interface Block {
  readonly language: string;
  readonly text: string;
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm;

export function codeBlocks(markdown: string): readonly Block[] {
  return [...markdown.matchAll(FENCE)].map(([, language = '', text = '']) => ({ language, text: text.trimEnd() }));
}

/** Without the blocks. */
export function inlineCode(markdown: string): readonly string[] {
  return [...markdown.replace(FENCE, '').matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);
}

/** Targets of links and images, those of HTML as well. */
export function links(markdown: string): readonly string[] {
  const text = markdown.replace(FENCE, '').replace(/`[^`\n]+`/g, '');
  const written = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  const inHtml = [...text.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)].map(([, target = '']) => target);
  return [...written, ...inHtml];
}

/** The names by which headings can be linked to. */
export function anchors(markdown: string): readonly string[] {
  const headings = [...markdown.replace(FENCE, '').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text);
  return headings.map((text) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}
