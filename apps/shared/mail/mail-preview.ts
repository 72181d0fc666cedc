import { sanitizeUnlessTooDeep } from './html-nesting';

const previewLengthMax = 140;

// Enough for the first sentence even behind a long style sheet; the rest of a huge body is not read for a preview.
const textLengthMax = 8 * 1024;
const htmlLengthMax = 256 * 1024;

// Newsletters pad their hidden first line with these so that lists show nothing else.
const invisible = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\ufeff]/g;

const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };

/** The first 140 characters of what a reader would see, on one line. The plain text wins; else the HTML without tags. */
export function previewOf(text: string | null, html: string | null): string {
  const plain = firstCharacters(text ?? '');
  return plain !== '' ? plain : firstCharacters(textOfHtml(html ?? ''));
}

function firstCharacters(text: string): string {
  const line = text.slice(0, textLengthMax).replace(invisible, '').replace(/\s+/g, ' ').trim();
  // By code points, so that no surrogate pair is cut in half.
  return Array.from(line.slice(0, previewLengthMax * 2))
    .slice(0, previewLengthMax)
    .join('')
    .replace(/\p{Surrogate}/gu, '')
    .trim();
}

function textOfHtml(html: string): string {
  const spaced = html.slice(0, htmlLengthMax).replace(/<(?:br|p|div|td|tr|li|h\d)\b/gi, ' $&');
  const stripped = sanitizeUnlessTooDeep(spaced, {
    allowedTags: [],
    allowedAttributes: {},
    nonTextTags: ['script', 'style', 'textarea', 'option', 'noscript', 'title'],
  });
  return (stripped ?? '').replace(/&(?:amp|lt|gt|quot);/g, (entity) => entities[entity] ?? entity);
}
