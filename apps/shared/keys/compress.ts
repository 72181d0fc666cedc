import { promisify } from 'node:util';
import { gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib';

export type Compression = 'gzip' | 'none';

export interface Compressed {
  bytes: Uint8Array;
  compression: Compression;
}

/** The bytes unpack to more than their reader is prepared to hold. */
export class DecompressionTooLarge extends Error {
  override readonly name = 'DecompressionTooLarge';
}

/**
 * Up to this size, bytes, the caller's thread does it in less time than it takes to ask another one: most texts of mails. A
 * larger one would hold up the thread.
 */
const handedOverFrom = 64 * 1024;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** Gzips the bytes unless that makes them no smaller: attachments are mostly compressed already. */
export async function compress(bytes: Uint8Array): Promise<Compressed> {
  const zipped = await gzipped(bytes);
  return zipped.length < bytes.length
    ? { bytes: zipped, compression: 'gzip' }
    : { bytes, compression: 'none' };
}

/** The bytes in gzip format, the same for the same bytes. */
export async function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
  return bytes.length < handedOverFrom ? gzipSync(bytes) : gzipAsync(bytes);
}

/**
 * Undoes compress().
 * @param bytesMax the most that may come out, whatever the input claims.
 * @throws DecompressionTooLarge beyond `bytesMax`; the error of zlib when the bytes are no gzip.
 */
export async function decompress({ bytes, compression }: Compressed, bytesMax: number): Promise<Uint8Array> {
  if (compression === 'none') return atMost(bytes, bytesMax);
  try {
    const limit = { maxOutputLength: bytesMax };
    return bytesMax < handedOverFrom ? gunzipSync(bytes, limit) : await gunzipAsync(bytes, limit);
  } catch (error) {
    throw isTooLarge(error) ? tooLarge(bytesMax) : error;
  }
}

function atMost(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length > bytesMax) throw tooLarge(bytesMax);
  return bytes;
}

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
}

function tooLarge(bytesMax: number): DecompressionTooLarge {
  return new DecompressionTooLarge(`More than ${bytesMax} bytes after decompression`);
}
