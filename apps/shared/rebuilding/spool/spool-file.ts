import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { ReadableEvent } from '../../projecting/fold-event';
import type { SpoolPlace } from '../contracts';
import { spooledText } from './spooled-event';

// A file of the spool: sealed blocks, each of one tier and bucket, then a sealed footer that says where each lies, then the length
// of the footer. It is written under another name, flushed, and renamed: a file is there whole or not at all.

/** Bytes, so that all buckets of a reader stay within a few megabytes. */
const blockBytesMax = 64 * 1024;
const footerLengthBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;

/** Where the blocks of a tier's bucket lie in the file, in log order: offset and length of each. By {@link partName}. */
type BlockPlaces = Readonly<Record<string, readonly (readonly [offset: number, length: number])[]>>;

interface Footer<Summary> {
  readonly blocks: BlockPlaces;
  readonly summary: Summary;
}

export function rangeFile({ folder }: SpoolPlace, range: number): string {
  return join(folder, `range-${String(range).padStart(6, '0')}.spool`);
}

/** Writes the file of one range. Not finished, it leaves nothing that anybody reads. */
export class SpoolWriter {
  private readonly partial: string;
  private readonly fd: number;
  private readonly pending = new Map<string, BlockText>();
  private readonly blocks: Record<string, [number, number][]> = {};
  private offset = 0;

  constructor(
    private readonly place: SpoolPlace,
    private readonly range: number,
  ) {
    this.partial = `${rangeFile(place, range)}.part`;
    this.fd = openSync(this.partial, 'w', 0o600);
  }

  /**
   * Adds the event to each of the parts ({@link partName}): tiers seldom want one event in one bucket, and what a tier does
   * not want it would still have to decode.
   */
  add(event: ReadableEvent, parts: Iterable<string>): void {
    const text = spooledText(event);
    for (const part of parts) {
      let block = this.pending.get(part);
      if (block === undefined) this.pending.set(part, (block = new BlockText()));
      if (!block.add(text)) {
        this.flush(part, block);
        block.add(text);
      }
    }
  }

  /** `summary`: what the range adds up to; plain JSON. */
  finish(summary: unknown): void {
    for (const [part, block] of this.pending) this.flush(part, block);
    const footer: Footer<unknown> = { blocks: this.blocks, summary };
    const length = this.write(Buffer.from(JSON.stringify(footer)), 'footer');
    const trailer = Buffer.alloc(footerLengthBytes);
    trailer.writeUInt32BE(length);
    writeSync(this.fd, trailer);
    fsyncSync(this.fd);
    closeSync(this.fd);
    renameSync(this.partial, rangeFile(this.place, this.range));
    flushFolder(dirname(this.partial));
  }

  abandon(): void {
    closeSync(this.fd);
    rmSync(this.partial, { force: true });
  }

  private flush(part: string, block: BlockText): void {
    const places = (this.blocks[part] ??= []);
    const offset = this.offset;
    places.push([offset, this.write(block.take(), blockName(part, places.length))]);
  }

  private write(text: Uint8Array, name: string): number {
    const sealed = sealBlock(this.place.key, text, `${this.range}/${name}`);
    let written = 0;
    while (written < sealed.length) written += writeSync(this.fd, sealed, written);
    this.offset += sealed.length;
    return sealed.length;
  }
}

/** The texts of a block as one JSON array, in bytes from the start: held as strings, they would all be moved by the collector. */
class BlockText {
  private bytes = Buffer.allocUnsafeSlow(blockBytesMax);
  private used = 0;

  /** False, and nothing is done, where it does not fit beside what is there. */
  add(text: string): boolean {
    const needed = this.used + utf8BytesMax * text.length + bracketBytes;
    if (needed > this.bytes.length) {
      if (this.used > 0) return false;
      this.bytes = Buffer.allocUnsafeSlow(needed);
    }
    this.bytes[this.used] = this.used === 0 ? openingBracket : comma;
    this.used += 1 + this.bytes.write(text, this.used + 1);
    return true;
  }

  /** Empties it; what it returns holds until the next {@link add}. */
  take(): Uint8Array {
    this.bytes[this.used] = closingBracket;
    const taken = this.bytes.subarray(0, this.used + 1);
    this.used = 0;
    if (this.bytes.length > blockBytesMax) this.bytes = Buffer.allocUnsafeSlow(blockBytesMax);
    return taken;
  }
}

/** Of one UTF-16 unit. */
const utf8BytesMax = 3;
const bracketBytes = 2;
const [openingBracket, comma, closingBracket] = Buffer.from('[,]') as unknown as [number, number, number];

/** One range's file, opened to be read. Throws when a byte of it was changed. */
export class SpoolFile<Summary> {
  private readonly fd: number;
  private readonly footer: Footer<Summary>;

  constructor(
    private readonly place: SpoolPlace,
    private readonly range: number,
    size: number,
  ) {
    this.fd = openSync(rangeFile(place, range), 'r');
    const length = this.bytes(size - footerLengthBytes, footerLengthBytes).readUInt32BE();
    this.footer = JSON.parse(
      this.open(size - footerLengthBytes - length, length, 'footer'),
    ) as Footer<Summary>;
  }

  get summary(): Summary {
    return this.footer.summary;
  }

  *blocksOf(tier: number, bucket: number): Generator<string> {
    const part = partName(tier, bucket);
    for (const [index, [offset, length]] of (this.footer.blocks[part] ?? []).entries())
      yield this.open(offset, length, blockName(part, index));
  }

  close(): void {
    closeSync(this.fd);
  }

  private open(offset: number, length: number, name: string): string {
    return unsealBlock(this.place.key, this.bytes(offset, length), `${this.range}/${name}`);
  }

  private bytes(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const more = readSync(this.fd, bytes, read, length - read, offset + read);
      if (more === 0)
        throw new Error(`The spool file of range ${this.range} is shorter than its footer says`);
      read += more;
    }
    return bytes;
  }
}

/** A rename is durable once its folder is. */
export function flushFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What one tier takes of one bucket, by its place among the tiers of the run. */
export function partName(tier: number, bucket: number): string {
  return `${tier}/${bucket}`;
}

function blockName(part: string, index: number): string {
  return `${part}/${index}`;
}

/** Bound to its place, so that blocks cannot be exchanged for each other. */
function sealBlock(key: Uint8Array, text: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place));
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function unsealBlock(key: Uint8Array, sealed: Buffer, place: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const text = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
  // Throws unless every byte is as it was sealed; it has nothing more to add.
  decipher.final();
  return text.toString('utf8');
}
