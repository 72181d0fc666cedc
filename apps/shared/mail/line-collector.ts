import PostalMime from 'postal-mime';

/** The part of postal-mime 4's inside that is touched here. */
interface MimeNode {
  contentDecoder: { update(line: Uint8Array): void; finalize(): Promise<ArrayBuffer> } | null;
  setupContentDecoder(transferEncoding: string): void;
}

/**
 * Lets postal-mime collect the lines of a part that is neither base64 nor quoted-printable in memory. Its own way makes
 * one piece of a Blob out of every line, which takes four seconds for 20 MB: as long as a forwarded mail with a large
 * attachment has, such mail would be parked as too slow. Where a later version looks different inside, its own way
 * stays; test/apps/shared/mail/parse-speed.spec.ts tells.
 */
export function collectLinesInMemory(): void {
  const { root } = new PostalMime() as unknown as { root?: MimeNode };
  const prototype = root === undefined ? undefined : (Object.getPrototypeOf(root) as Partial<MimeNode>);
  const setUp = prototype?.setupContentDecoder;
  if (prototype === undefined || setUp === undefined) return;
  prototype.setupContentDecoder = function (this: MimeNode, transferEncoding: string): void {
    if (/base64|quoted-printable/i.test(transferEncoding)) setUp.call(this, transferEncoding);
    else this.contentDecoder = new LineCollector();
  };
}

class LineCollector {
  private readonly lines: Uint8Array[] = [];
  private bytes = 0;

  update(line: Uint8Array): void {
    this.lines.push(line);
    this.bytes += line.length + 1;
  }

  async finalize(): Promise<ArrayBuffer> {
    const content = new Uint8Array(this.bytes);
    let end = 0;
    for (const line of this.lines) {
      content.set(line, end);
      end += line.length + 1;
      content[end - 1] = 0x0a;
    }
    return content.buffer;
  }
}
