import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** The envelope was changed, belongs to other associated data, or was sealed with another key. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

// Envelope: version (1) | key id (16) | nonce (12) | ciphertext | tag (16)
const version = 1;
const keyIdStart = 1;
const keyIdBytes = 16;
const nonceStart = keyIdStart + keyIdBytes;
const ciphertextStart = nonceStart + 12;
const tagBytes = 16;
/** Of base64: as long as the shortest envelope, rounded up. */
const envelopeStartCharacters = 4 * Math.ceil((ciphertextStart + tagBytes) / 3);

/**
 * Seals bytes with AES-256-GCM. The envelope names its key, so that keys can change and a destroyed key is recognised.
 * `aad` binds the envelope to its place: opened anywhere else it is broken. Nonces are random and 96 bits wide, which
 * is safe up to 2^32 envelopes under one key (NIST SP 800-38D §8.3).
 * @param key 32 bytes.
 * @param keyId UUID.
 */
export function seal(key: Uint8Array, keyId: string, plaintext: Uint8Array, aad: string): Uint8Array {
  const nonce = randomBytes(12);
  const header = Buffer.concat([Buffer.of(version), uuidBytes(keyId), nonce]);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(associatedData(header, aad));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([header, ciphertext, cipher.getAuthTag()]);
}

/** @throws SealBroken when the envelope is not exactly what seal() made with this key and this `aad`. */
export function unseal(key: Uint8Array, envelope: Uint8Array, aad: string): Uint8Array {
  assertEnvelope(envelope);
  const tagStart = envelope.length - tagBytes;
  const decipher = createDecipheriv('aes-256-gcm', key, envelope.subarray(nonceStart, ciphertextStart), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(associatedData(envelope.subarray(0, ciphertextStart), aad));
  decipher.setAuthTag(envelope.subarray(tagStart));
  try {
    return Buffer.concat([decipher.update(envelope.subarray(ciphertextStart, tagStart)), decipher.final()]);
  } catch {
    throw new SealBroken('The seal is broken: other key, other place or changed bytes');
  }
}

/** The id of the key an envelope was sealed with: a lower-case UUID. */
export function sealedKeyId(envelope: Uint8Array): string {
  assertEnvelope(envelope);
  const hex = Buffer.from(envelope.buffer, envelope.byteOffset + keyIdStart, keyIdBytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Seals a JSON value; the envelope comes back as base64, for fields of JSON events. */
export function sealJson(key: Uint8Array, keyId: string, value: unknown, aad: string): string {
  const envelope = seal(key, keyId, Buffer.from(JSON.stringify(value)), aad);
  return Buffer.from(envelope).toString('base64');
}

/** @throws SealBroken as unseal() does. */
export function unsealJson(key: Uint8Array, sealed: string, aad: string): unknown {
  const { buffer, byteOffset, length } = unseal(key, Buffer.from(sealed, 'base64'), aad);
  return JSON.parse(Buffer.from(buffer, byteOffset, length).toString('utf8')) as unknown;
}

/** The key id of a base64 envelope made by sealJson(). */
export function sealedJsonKeyId(sealed: string): string {
  return sealedKeyId(Buffer.from(sealed.slice(0, envelopeStartCharacters), 'base64'));
}

function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw new TypeError(`${uuid} is no UUID`);
  return bytes;
}

/** The header is authenticated with the data, so that no envelope can be made to claim another key or version. */
function associatedData(header: Uint8Array, aad: string): Buffer {
  return Buffer.concat([header, Buffer.from(aad, 'utf8')]);
}

function assertEnvelope(envelope: Uint8Array): void {
  if (envelope.length < ciphertextStart + tagBytes)
    throw new SealBroken('The seal is broken: too short for an envelope');
  if (envelope[0] !== version) throw new SealBroken(`The seal is broken: unknown version ${envelope[0]}`);
}
