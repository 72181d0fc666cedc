import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import {
  seal,
  SealBroken,
  sealedJsonKeyId,
  sealedKeyId,
  sealJson,
  unseal,
  unsealJson,
} from '../../../../apps/shared/keys/seal';

const key = randomBytes(32);
const keyId = '0190a6f2-7b1c-4d11-9c3e-5f60718293a4';
const aad = 'tenant-a|message-1|raw';
const plaintext = Buffer.from('From: a@example.org\r\n\r\nbody');

describe('sealing', () => {
  it('gives the bytes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.string(), (bytes, place) => {
        expect(Buffer.from(unseal(key, seal(key, keyId, bytes, place), place))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('names its key', () => {
    expect(sealedKeyId(seal(key, keyId, plaintext, aad))).toBe(keyId);
    expect(sealedJsonKeyId(sealJson(key, keyId, {}, aad))).toBe(keyId);
  });

  it('is as long as the plaintext and 45 bytes', () => {
    expect(seal(key, keyId, plaintext, aad)).toHaveLength(plaintext.length + 1 + 16 + 12 + 16);
  });

  it('hides the plaintext and never repeats itself', () => {
    const envelopes = Array.from({ length: 1_000 }, () => Buffer.from(seal(key, keyId, plaintext, aad)));
    expect(envelopes.some((envelope) => envelope.includes('example'))).toBe(false);
    expect(new Set(envelopes.map((envelope) => envelope.subarray(17, 29).toString('hex'))).size).toBe(1_000);
  });

  it('breaks when any one byte is changed', () => {
    const envelope = seal(key, keyId, plaintext, aad);
    for (let index = 0; index < envelope.length; index += 1) {
      const changed = Uint8Array.from(envelope, (byte, at) => (at === index ? byte ^ 1 : byte));
      expect(() => unseal(key, changed, aad)).toThrow(SealBroken);
    }
  });

  it('breaks when cut short at any length', () => {
    const envelope = seal(key, keyId, plaintext, aad);
    for (let length = 0; length < envelope.length; length += 1) {
      expect(() => unseal(key, envelope.subarray(0, length), aad)).toThrow(SealBroken);
    }
  });

  it('breaks in another place and under another key', () => {
    const envelope = seal(key, keyId, plaintext, aad);
    expect(() => unseal(key, envelope, 'tenant-b|message-1|raw')).toThrow(SealBroken);
    expect(() => unseal(randomBytes(32), envelope, aad)).toThrow(SealBroken);
  });

  it('refuses a key id that is no UUID', () => {
    expect(() => seal(key, 'key-1', plaintext, aad)).toThrow(TypeError);
  });
});

describe('sealing JSON', () => {
  it('gives the value back', () => {
    const value = { subject: 'Grüße', to: ['a@example.org'], none: null };
    expect(unsealJson(key, sealJson(key, keyId, value, aad), aad)).toEqual(value);
  });

  it('breaks in another place and on text that is no envelope', () => {
    expect(() => unsealJson(key, sealJson(key, keyId, 'x', aad), 'elsewhere')).toThrow(SealBroken);
    expect(() => unsealJson(key, 'not base64 at all', aad)).toThrow(SealBroken);
  });
});
