import sanitizeHtml, { IOptions } from 'sanitize-html';

// The parser under sanitize-html takes time by depth for every tag: 100,000 nested elements would hold a core for
// seconds. No mail written by a person or a newsletter tool comes near this.
const openElementsMax = 1_000;

class NestedTooDeep extends Error {}

/** sanitizeHtml(), or null as soon as more than 1,000 elements are open at once. */
export function sanitizeUnlessTooDeep(html: string, options: IOptions): string | null {
  let openElements = 0;
  try {
    return sanitizeHtml(html, {
      ...options,
      onOpenTag: () => {
        openElements += 1;
        if (openElements > openElementsMax) throw new NestedTooDeep();
      },
      onCloseTag: () => {
        openElements -= 1;
      },
    });
  } catch (error) {
    if (error instanceof NestedTooDeep) return null;
    throw error;
  }
}
