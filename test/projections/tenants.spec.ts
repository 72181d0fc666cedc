import { apiKeysTable, tenantsProjection, tenantsTable } from '../../projections/oltp/tenants.projection';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const tenantId = idOf('tenant');
const registered = () =>
  new RecordedLog().add('tenant', tenantId, {
    type: 'TenantRegistered',
    data: { tenantId, name: 'Acme', timeZone: 'Europe/Vienna' },
  });

function withKey(log: RecordedLog, name: string, expiresAt: string | null = null): RecordedLog {
  const data = { tenantId, apiKeyId: idOf(name), name, keyHash: `hash of ${name}`, expiresAt };
  return log.add('tenant', tenantId, { type: 'ApiKeyIssued', data });
}
function withoutKey(log: RecordedLog, name: string): RecordedLog {
  return log.add('tenant', tenantId, { type: 'ApiKeyRevoked', data: { tenantId, apiKeyId: idOf(name) } });
}
const keyRow = (name: string, fields: object = {}) => ({
  id: idOf(name),
  name,
  key_hash: `hash of ${name}`,
  expires_at: null,
  revoked_at: null,
  created: '2026-03-01T10:01:00.000Z',
  ...fields,
});

describe('tenants', () => {
  it('has one row per tenant, beginning when it was registered', () => {
    given(registered().events)
      .whenProjectedBy(tenantsProjection)
      .thenRows(tenantsTable, [
        { name: 'Acme', time_zone: 'Europe/Vienna', created: '2026-03-01T10:00:00.000Z' },
      ]);
  });

  it('keeps tenants apart that issue keys of one id', () => {
    const log = withKey(registered(), 'ci');
    const data = { tenantId: idOf('other'), apiKeyId: idOf('ci'), name: 'x', keyHash: 'y', expiresAt: null };
    log.add('tenant', idOf('other'), { type: 'ApiKeyIssued', data }, idOf('other'));
    log.add(
      'tenant',
      idOf('other'),
      { type: 'ApiKeyRevoked', data: { tenantId: idOf('other'), apiKeyId: idOf('ci') } },
      idOf('other'),
    );
    given(log.events)
      .whenProjectedBy(tenantsProjection)
      .thenRows(apiKeysTable, [
        keyRow('ci'),
        keyRow('ci', {
          name: 'x',
          key_hash: 'y',
          created: '2026-03-01T10:02:00.000Z',
          revoked_at: '2026-03-01T10:03:00.000Z',
        }),
      ]);
  });

  it('spells the expiry of a key as every other time, whatever zone it was given in', () => {
    given(withKey(registered(), 'ci', '2027-01-01T01:00:00+01:00').events)
      .whenProjectedBy(tenantsProjection)
      .thenRows(apiKeysTable, [keyRow('ci', { expires_at: '2027-01-01T00:00:00.000Z' })]);
  });

  it('keeps a revoked key with the time it ended, and leaves its neighbour alone', () => {
    const log = withoutKey(withKey(withKey(registered(), 'ci'), 'cd'), 'ci');
    given(log.events)
      .whenProjectedBy(tenantsProjection)
      .thenRows(apiKeysTable, [
        keyRow('ci', { revoked_at: '2026-03-01T10:03:00.000Z' }),
        keyRow('cd', { created: '2026-03-01T10:02:00.000Z' }),
      ]);
  });

  it('makes no row of the revocation of a key that was never issued', () => {
    given(withoutKey(registered(), 'ghost').events)
      .whenProjectedBy(tenantsProjection)
      .thenRows(apiKeysTable, []);
  });
});
