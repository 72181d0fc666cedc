import { createHash, timingSafeEqual } from 'node:crypto';

const secretBytes = 32;
const keyPattern = /^mf_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

/** A tenant's API key as it travels: `mf_<tenant id, 32 hex digits>_<32 secret bytes, base64url>`. */
export interface ApiKey {
  readonly tenantId: string;
  readonly secret: Buffer;
}

export function formatApiKey({ tenantId, secret }: ApiKey): string {
  return `mf_${tenantId.replaceAll('-', '')}_${secret.toString('base64url')}`;
}

/** `null` for anything that {@link formatApiKey} would not have written, so one key has one spelling only. */
export function parseApiKey(text: string): ApiKey | null {
  const [, hex, encoded] = keyPattern.exec(text) ?? [];
  if (hex === undefined || encoded === undefined) return null;
  const secret = Buffer.from(encoded, 'base64url');
  if (secret.length !== secretBytes || secret.toString('base64url') !== encoded) return null;
  return { tenantId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'), secret };
}

/** What is stored in place of a key: sha256 of its secret bytes, hex. A plain hash will do, since the secret is random. */
export function apiKeyHash(secret: Uint8Array): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compares in a time that tells nothing about where two texts differ, nor about their length. */
export function equalInConstantTime(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
