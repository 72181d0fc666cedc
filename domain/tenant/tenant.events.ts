import type { Event, SealedFields } from '../event';

// Stored for ever. Never rename a type or change a field's meaning: add a new event and upcast the old one.

export type TenantRegistered = Event<
  'TenantRegistered',
  { tenantId: string; name: string; timeZone: string }
>;

/** The key itself is never stored: `keyHash` is the sha256 of a random 32-byte secret, hex. */
export type ApiKeyIssued = Event<
  'ApiKeyIssued',
  { tenantId: string; apiKeyId: string; name: string; keyHash: string; expiresAt: string | null }
>;

export type ApiKeyRevoked = Event<'ApiKeyRevoked', { tenantId: string; apiKeyId: string }>;

export type TenantEvent = TenantRegistered | ApiKeyIssued | ApiKeyRevoked;

export const tenantSealedFields: SealedFields<TenantEvent> = { TenantRegistered: { name: '[erased]' } };
