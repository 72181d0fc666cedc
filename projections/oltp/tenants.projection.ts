import type { ApiKeyIssued, ApiKeyRevoked, TenantRegistered } from '../../domain/tenant/tenant.events';
import type { Recorded } from '../../domain/event';
import {
  rowOperation,
  type ProjectedEvent,
  type Projection,
  type RowOperation,
  type Table,
} from '../projection';
import { instant } from '../storable';

export interface TenantRow {
  readonly name: string;
  readonly time_zone: string;
  readonly created: string;
}
export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly key_hash: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  readonly created: string;
}

export const tenantsTable: Table<TenantRow> = {
  name: 'tenants',
  primaryKey: [],
  slotColumn: 'tenant_id',
  columns: { name: 'text', time_zone: 'text', created: 'timestamptz' },
};
export const apiKeysTable: Table<ApiKeyRow> = {
  name: 'api_keys',
  primaryKey: ['id'],
  slotColumn: 'tenant_id',
  columns: {
    id: 'uuid',
    name: 'text',
    key_hash: 'text',
    expires_at: 'timestamptz',
    revoked_at: 'timestamptz',
    created: 'timestamptz',
  },
};

/** Tenants, and the keys by which they are let in. */
export const tenantsProjection: Projection = {
  name: 'tenants',
  tables: [tenantsTable, apiKeysTable],
  project(event: ProjectedEvent): RowOperation[] {
    if (event.type === 'TenantRegistered') return [registered(event)];
    if (event.type === 'ApiKeyIssued') return [keyIssued(event)];
    if (event.type === 'ApiKeyRevoked') return [keyRevoked(event)];
    return [];
  },
};

function registered({ data, metadata }: Recorded<TenantRegistered>): RowOperation {
  return rowOperation(tenantsTable, ownerOf(metadata.tenantId), [], () => ({
    name: data.name,
    time_zone: data.timeZone,
    created: instant(metadata.occurredAt),
  }));
}

function keyIssued({ data, metadata }: Recorded<ApiKeyIssued>): RowOperation {
  return rowOperation(apiKeysTable, ownerOf(metadata.tenantId), [data.apiKeyId], () => ({
    id: data.apiKeyId,
    name: data.name,
    key_hash: data.keyHash,
    expires_at: data.expiresAt === null ? null : instant(data.expiresAt),
    revoked_at: null,
    created: instant(metadata.occurredAt),
  }));
}

function keyRevoked({ data, metadata }: Recorded<ApiKeyRevoked>): RowOperation {
  return rowOperation(
    apiKeysTable,
    ownerOf(metadata.tenantId),
    [data.apiKeyId],
    (row) => row && { ...row, revoked_at: instant(metadata.occurredAt) },
  );
}

function ownerOf(tenantId: string): { tenantId: string; slotEntityId: string } {
  return { tenantId, slotEntityId: tenantId };
}
