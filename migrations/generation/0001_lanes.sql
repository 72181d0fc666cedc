-- Every generation of every tier begins with these: its progress through the log, committed with its rows.
create table checkpoints (
  lane             smallint primary key,
  slot_from        smallint not null check (slot_from between 0 and 4095),
  slot_to          smallint not null check (slot_to between slot_from and 4095),
  -- An unsigned 64-bit position does not fit in bigint.
  commit_position  numeric(20, 0),
  prepare_position numeric(20, 0),
  event_id         uuid,
  events           bigint not null default 0,
  parked_sequences bigint not null default 0,
  epoch            bigint not null default 0,
  owner            text,
  lease_expires_at timestamptz,
  updated_at       timestamptz not null default now()
);
comment on column checkpoints.event_id is 'The event at commit_position. On resume the log must hold that very one there, else it is another log.';
comment on column checkpoints.epoch is 'Raised at every take-over of the lane; a writer of an older epoch updates nothing and rolls back.';

comment on column checkpoints.parked_sequences is 'How often the lane has parked a sequence; the rows below are visible to their tenants only.';

-- One row per sequence (conversation) that a poison event stopped; others of the lane go on.
create table parked_sequences (
  tenant_id   uuid not null,
  slot        smallint not null,
  sequence_id uuid not null,
  position    numeric(20, 0) not null,
  event_id    uuid not null,
  event_type  text not null,
  reason      text not null,
  parked_at   timestamptz not null default now(),
  primary key (tenant_id, sequence_id, event_id)
);

-- Row-level security in one word, so that no table of a tier is left without it (F-27, reliability.md B2).
-- nullif: after SET LOCAL ends the setting is '', not null, and must show nothing rather than fail.
create procedure protect_tenant_rows(table_name text) language plpgsql as $$
begin
  execute format('alter table %I enable row level security', table_name);
  execute format('alter table %I force row level security', table_name);
  execute format(
    'create policy tenant_reads on %I for select to mailfold_reader '
    'using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', table_name);
  -- A lane writes the tenants of its batch and no other.
  execute format(
    'create policy lane_writes on %I to mailfold_projector '
    'using (tenant_id = any (nullif(current_setting(''app.tenant_ids'', true), '''')::uuid[])) '
    'with check (tenant_id = any (nullif(current_setting(''app.tenant_ids'', true), '''')::uuid[]))', table_name);
  -- Proofs read all rows and write none.
  execute format('create policy audit_reads on %I for select to mailfold_auditor using (true)', table_name);
  execute format('grant select on %I to mailfold_reader, mailfold_auditor', table_name);
  execute format('grant select, insert, update, delete on %I to mailfold_projector', table_name);
end $$;

call protect_tenant_rows('parked_sequences');
grant select on checkpoints to mailfold_reader, mailfold_auditor;
grant select, insert, update on checkpoints to mailfold_projector;
do $$ begin
  execute format('grant usage on schema %I to mailfold_reader, mailfold_projector, mailfold_auditor', current_schema());
end $$;
