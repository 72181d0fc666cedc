/**
 * Types a browser may be told. None of them runs script in our origin; everything else, SVG and HTML above all, is bytes
 * (reliability.md B4).
 */
const harmlessTypes = new Set([
  ...['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp', 'image/tiff'],
  ...['audio/mpeg', 'audio/ogg', 'audio/wav', 'audio/mp4', 'video/mp4', 'video/webm', 'video/ogg'],
  ...['application/pdf', 'application/zip', 'application/gzip', 'application/json', 'application/rtf'],
  ...['application/msword', 'application/vnd.ms-excel', 'application/vnd.ms-powerpoint'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
]);

const filenameLengthMax = 200;

/** What a sender claims, if it is harmless; else `application/octet-stream`. */
export function downloadType(claimed: string): string {
  const type = claimed.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return harmlessTypes.has(type) ? type : 'application/octet-stream';
}

/** Headers under which foreign bytes are saved, and never shown, sniffed, run, embedded or kept. */
export function downloadHeaders(filename: string | null): Record<string, string> {
  return {
    'content-disposition': `attachment; filename*=UTF-8''${encodedFilename(filename)}`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
  };
}

/** RFC 8187. Without what could end the header, leave the directory, or show another name than the one that is saved. */
function encodedFilename(filename: string | null): string {
  const name = (filename ?? '')
    .replace(/[\p{Control}\p{Bidi_Control}\p{Surrogate}\p{Line_Separator}\p{Paragraph_Separator}"\\/]/gu, '')
    .trim()
    .replace(/^\.+/, '');
  const characters = Array.from(name).slice(0, filenameLengthMax).join('') || 'attachment';
  return encodeURIComponent(characters).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
