import { Attributes, IOptions, Tag } from 'sanitize-html';
import { sanitizeUnlessTooDeep } from './html-nesting';

/** Raised whenever the same HTML may come out differently: cached results of an older one are then stale. */
export const sanitiserVersion = 1;

export interface SanitiseOptions {
  /** Where the part with this Content-ID (no angle brackets) is served from; null when the mail has no such part. */
  cidUrl: (contentId: string) => string | null;
}

/**
 * What may be shown of a mail's HTML (reliability.md B4): an allow-list of tags, attributes and style properties, links
 * only to http, https and mailto. Nothing loads by itself: the source of a remote image moves to `data-remote-src`, and
 * every other way to load (srcset, background, poster, CSS url()) is dropped. Stored HTML stays as sent, so a better
 * list applies to old mail at once. A viewer must still sandbox the result: parsers differ.
 */
export function sanitiseHtml(html: string, { cidUrl }: SanitiseOptions): string {
  const shown = html.slice(0, htmlLengthMax);
  const safe = sanitizeUnlessTooDeep(shown, {
    ...allowed,
    transformTags: { a: safeLink, img: (_, image) => safeImage(image, cidUrl) },
  });
  // Nested beyond reason: its source is shown as text, so that even then nothing is hidden from the reader.
  return (safe ?? `<pre>${escaped(shown)}</pre>`) + (html.length > htmlLengthMax ? clippedNote : '');
}

// Sanitising takes about 0.3 s per million characters, and whoever reads waits. Real mail stays below a tenth of it.
const htmlLengthMax = 1024 * 1024;
const clippedNote = '<p>[Clipped: the raw message holds the rest.]</p>';

const allowedTags = [
  ...[
    'a',
    'abbr',
    'address',
    'article',
    'aside',
    'b',
    'bdi',
    'bdo',
    'big',
    'blockquote',
    'br',
    'caption',
    'center',
  ],
  ...[
    'cite',
    'code',
    'col',
    'colgroup',
    'dd',
    'del',
    'dfn',
    'div',
    'dl',
    'dt',
    'em',
    'figcaption',
    'figure',
    'font',
  ],
  ...[
    'footer',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'header',
    'hr',
    'i',
    'img',
    'ins',
    'kbd',
    'li',
    'main',
    'mark',
  ],
  ...[
    'nav',
    'ol',
    'p',
    'pre',
    'q',
    's',
    'samp',
    'section',
    'small',
    'span',
    'strike',
    'strong',
    'sub',
    'sup',
    'table',
  ],
  ...['tbody', 'td', 'tfoot', 'th', 'thead', 'time', 'tr', 'tt', 'u', 'ul', 'var', 'wbr'],
];

// Their text is code or belongs to a document of its own; every other forbidden tag leaves its text behind.
const tagsDroppedWithText = [
  ...[
    'script',
    'style',
    'textarea',
    'option',
    'select',
    'xmp',
    'title',
    'template',
    'noscript',
    'noembed',
    'noframes',
  ],
  ...['svg', 'math', 'iframe', 'object', 'applet', 'audio', 'video', 'canvas'],
];

// No id and no name (they shadow properties of the page), no class (it would borrow the page's own styles).
const allowedAttributes = {
  '*': ['align', 'bgcolor', 'dir', 'height', 'lang', 'style', 'title', 'valign', 'width'],
  a: ['href', 'rel', 'target'],
  font: ['color', 'face', 'size'],
  img: ['alt', 'border', 'data-remote-src', 'src'],
  ol: ['reversed', 'start', 'type'],
  table: ['border', 'cellpadding', 'cellspacing'],
  td: ['abbr', 'colspan', 'nowrap', 'rowspan'],
  th: ['abbr', 'colspan', 'nowrap', 'rowspan', 'scope'],
};

// A backslash spells forbidden names in disguise; the words load something or run it.
const harmlessValue = /^(?!.*(?:url|image|expression|import|script|attr|var|\\))[^<>{};@]{0,200}$/is;

// No position, float or z-index of any kind that could lay a mail over the page around it.
const allowedStyleProperties = [
  ...[
    'background',
    'background-color',
    'border',
    'border-bottom',
    'border-collapse',
    'border-color',
    'border-left',
  ],
  ...[
    'border-radius',
    'border-right',
    'border-spacing',
    'border-style',
    'border-top',
    'border-width',
    'color',
    'direction',
  ],
  ...['display', 'font', 'font-family', 'font-size', 'font-style', 'font-weight', 'height', 'letter-spacing'],
  ...[
    'line-height',
    'list-style-type',
    'margin',
    'margin-bottom',
    'margin-left',
    'margin-right',
    'margin-top',
  ],
  ...['max-width', 'min-width', 'padding', 'padding-bottom', 'padding-left', 'padding-right', 'padding-top'],
  ...[
    'table-layout',
    'text-align',
    'text-decoration',
    'text-indent',
    'text-transform',
    'vertical-align',
    'white-space',
  ],
  ...['width', 'word-break', 'word-spacing', 'word-wrap'],
];

const allowed: IOptions = {
  allowedTags,
  allowedAttributes,
  nonTextTags: tagsDroppedWithText,
  allowedStyles: {
    '*': Object.fromEntries(allowedStyleProperties.map((property) => [property, [harmlessValue]])),
  },
  allowedSchemes: ['http', 'https', 'mailto'],
  allowProtocolRelative: false,
  // Deeper tags are dropped, their text stays: browsers lay out deep trees by recursion.
  nestingLimit: 256,
};

function safeLink(_tagName: string, { href, title }: Attributes): Tag {
  const url = absoluteUrl(href);
  const isSafe = url !== null && /^(?:https?|mailto):/i.test(url);
  const attribs: Attributes = isSafe
    ? { href: url, rel: 'noopener noreferrer nofollow', target: '_blank' }
    : {};
  return { tagName: 'a', attribs: title === undefined ? attribs : { ...attribs, title } };
}

/** Built anew, so that nothing the sender wrote in the place of our own attributes survives. */
function safeImage({ src, ...given }: Attributes, cidUrl: SanitiseOptions['cidUrl']): Tag {
  const url = absoluteUrl(src);
  const cid = /^cid:(.+)$/i.exec(url ?? '')?.[1];
  const local = cid === undefined ? null : cidUrl(decoded(cid));
  const attribs: Attributes = { ...given };
  delete attribs['data-remote-src'];
  if (local !== null) attribs['src'] = local;
  if (url !== null && /^https?:/i.test(url)) attribs['data-remote-src'] = url;
  return { tagName: 'img', attribs };
}

/** Browsers skip control characters inside a URL, so they go before its scheme is looked at. */
function absoluteUrl(value: string | undefined): string | null {
  const url = (value ?? '').replace(/[\u0000-\u0020\u007f-\u009f\u00ad\u200b-\u200f\u2028\u2029\ufeff]/g, '');
  return /^(?:https?|mailto|cid):/i.test(url) ? url : null;
}

/** RFC 2392: a Content-ID stands percent-encoded in its URL, and often does not. */
function decoded(cid: string): string {
  try {
    return decodeURIComponent(cid);
  } catch {
    return cid;
  }
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
