import { IssueApiKey, RegisterTenant, RevokeApiKey } from '../../domain/tenant/tenant.commands';
import type { TenantEvent } from '../../domain/tenant/tenant.events';
import { tenant } from '../../domain/tenant/tenant';
import { by } from '../support/commands';
import { specify } from '../support/decider-spec';

const given = specify(tenant);
const tenantId = by.tenantId;
const firstKey = { apiKeyId: 'key-1', name: 'first', keyHash: 'aa', expiresAt: null };
const secondKey = { apiKeyId: 'key-2', name: 'second', keyHash: 'bb', expiresAt: '2027-01-01T00:00:00.000Z' };
const registered: TenantEvent = {
  type: 'TenantRegistered',
  data: { tenantId, name: 'Acme', timeZone: 'UTC' },
};
const issued = (apiKey: typeof firstKey | typeof secondKey): TenantEvent => ({
  type: 'ApiKeyIssued',
  data: { tenantId, ...apiKey },
});
const revoked: TenantEvent = { type: 'ApiKeyRevoked', data: { tenantId, apiKeyId: 'key-1' } };
const register = (apiKey = firstKey) =>
  new RegisterTenant({ tenantId, name: 'Acme', timeZone: 'UTC', apiKey }, by);

describe('a tenant', () => {
  it('is registered with its first API key', () => {
    given([])
      .when(register())
      .then([registered, issued(firstKey)]);
  });
  it('is registered only once', () => {
    given([registered, issued(firstKey)])
      .when(register({ ...firstKey, apiKeyId: 'other' }))
      .thenRejectedWith('TENANT_ALREADY_REGISTERED');
  });
  it('gets further keys, each once', () => {
    given([registered, issued(firstKey)])
      .when(new IssueApiKey(secondKey, by))
      .then([issued(secondKey)]);
  });
  it('gets no key before it is registered', () => {
    given([]).when(new IssueApiKey(secondKey, by)).thenRejectedWith('TENANT_NOT_FOUND');
  });
  it('revokes a key, once', () => {
    given([registered, issued(firstKey)])
      .when(new RevokeApiKey({ apiKeyId: 'key-1' }, by))
      .then([revoked]);
  });
  it('does not issue a revoked key again', () => {
    given([registered, issued(firstKey), revoked])
      .when(new IssueApiKey(firstKey, by))
      .thenNothing();
  });
  it('refuses to revoke a key it never issued', () => {
    given([registered])
      .when(new RevokeApiKey({ apiKeyId: 'key-9' }, by))
      .thenRejectedWith('API_KEY_NOT_FOUND');
  });
});
