import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** PEM texts: the certificate of an authority made for this one call, and a server certificate it has issued. */
export interface TestCertificates {
  readonly ca: string;
  readonly certificate: string;
  readonly privateKey: string;
}

const validityMs = 24 * 3_600_000;

/**
 * A server certificate for localhost and 127.0.0.1, valid for a day either way. Node reads certificates but writes none, and
 * openssl is not on every machine, so the few DER structures it takes (RFC 5280 §4.1) are put together here.
 */
export function createTestCertificates(): TestCertificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issue = (subject: string, publicKey: KeyObject, extensions: readonly Buffer[]): string =>
    pem('CERTIFICATE', certificate(subject, publicKey, extensions, authority.privateKey));
  return {
    ca: issue(authorityName, authority.publicKey, [authorityConstraint]),
    certificate: issue('localhost', server.publicKey, [serverNames]),
    privateKey: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const authorityName = 'Mailfold test authority';
const tag = {
  ...{ boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, objectId: 0x06, utf8String: 0x0c },
  ...{ utcTime: 0x17, sequence: 0x30, set: 0x31, explicit0: 0xa0, explicit3: 0xa3 },
  ...{ dnsName: 0x82, ipAddress: 0x87 },
} as const;
/** Object identifiers in their encoded form. */
const objectId = {
  commonName: der(tag.objectId, Buffer.from([0x55, 0x04, 0x03])),
  subjectAltName: der(tag.objectId, Buffer.from([0x55, 0x1d, 0x11])),
  basicConstraints: der(tag.objectId, Buffer.from([0x55, 0x1d, 0x13])),
  ecdsaWithSha256: der(tag.objectId, Buffer.from([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])),
};
const signatureAlgorithm = der(tag.sequence, objectId.ecdsaWithSha256);
const yes = der(tag.boolean, Buffer.from([0xff]));
const authorityConstraint = extension(objectId.basicConstraints, der(tag.sequence, yes));
const serverNames = extension(
  objectId.subjectAltName,
  der(
    tag.sequence,
    der(tag.dnsName, Buffer.from('localhost')),
    der(tag.ipAddress, Buffer.from([127, 0, 0, 1])),
  ),
);

function certificate(
  subject: string,
  publicKey: KeyObject,
  extensions: readonly Buffer[],
  issuerKey: KeyObject,
): Buffer {
  const version3 = der(tag.integer, Buffer.from([2]));
  // The first bit of an integer is its sign, and must not be followed by eight more like it.
  const serial = Buffer.concat([Buffer.from([0x40]), randomBytes(15)]);
  const signed = der(
    tag.sequence,
    der(tag.explicit0, version3),
    der(tag.integer, serial),
    signatureAlgorithm,
    name(authorityName),
    der(tag.sequence, time(Date.now() - validityMs), time(Date.now() + validityMs)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(tag.explicit3, der(tag.sequence, ...extensions)),
  );
  const noUnusedBits = Buffer.from([0]);
  const signature = der(tag.bitString, noUnusedBits, sign('sha256', signed, issuerKey));
  return der(tag.sequence, signed, signatureAlgorithm, signature);
}

/** Tag, length, content (X.690 §8.1). */
function der(tagByte: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tagByte, ...lengthOctets(body.length)]), body]);
}

/** In the fewest octets, as DER demands; nothing here is longer than 64 KiB. */
function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

function extension(id: Buffer, value: Buffer): Buffer {
  return der(tag.sequence, id, yes, der(tag.octetString, value));
}

function name(commonName: string): Buffer {
  const attribute = der(tag.sequence, objectId.commonName, der(tag.utf8String, Buffer.from(commonName)));
  return der(tag.sequence, der(tag.set, attribute));
}

/** `YYMMDDhhmmssZ`. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(tag.utcTime, Buffer.from(`${digits}Z`));
}

function pem(label: string, body: Buffer): string {
  const lines = body.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
