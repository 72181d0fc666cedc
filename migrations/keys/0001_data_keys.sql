-- The keys that content is sealed with (reliability.md B5). Own database, own short-lived backups: a backup that
-- outlives an erasure would resurrect what was erased. Losing this table loses every body in the log.
create table data_keys (
  key_id       uuid primary key,
  tenant_id    uuid not null,
  purpose      text not null check (purpose in ('data', 'pepper')),
  wrapped      bytea,
  created_at   timestamptz not null default now(),
  destroyed_at timestamptz,
  unique (tenant_id, purpose),
  check ((wrapped is null) = (destroyed_at is not null))
);
comment on column data_keys.wrapped is 'The key, sealed under the root key (AES-256-GCM, AAD tenant|key id). Null once destroyed: the row stays, so that readers can tell erased from lost.';
comment on column data_keys.purpose is 'data: seals content and personal fields; pepper: keyed digests, so that ids and lookups say nothing without it.';
