-- What a target holds, and which generation serves which part of a tier: together they are the shard map.
drop table shard_maps;

alter table generations drop constraint generations_state_check;
alter table generations
  add constraint generations_state_check check (state in ('building', 'tailing', 'frozen', 'retired')),
  add column kind text not null default 'rebuild' check (kind in ('first', 'rebuild', 'repartition', 'as-of')),
  add column as_of_position numeric(20) check (as_of_position >= 0),
  add column expires_at timestamptz;
comment on column generations.state is 'building: a rebuild fills it; tailing: projectors keep it at the end of the log, serving or not; frozen: it stays where it is (as-of); retired: dropped.';
comment on column generations.as_of_position is 'Of a frozen generation: the last position of the log that it knows.';
comment on column generations.expires_at is 'When a temporary generation may be dropped without a question.';

alter table generation_targets
  add column slot_from smallint not null default 0 check (slot_from between 0 and 4095),
  add column slot_to smallint not null default 4095 check (slot_to between 0 and 4095),
  add column tenant_id uuid,
  add constraint generation_targets_slots_run_forward check (slot_to >= slot_from);
comment on column generation_targets.tenant_id is 'Holds this tenant only, wherever its slots; null: all tenants.';

comment on column pointers.epoch is 'The tier''s epoch at the last switch of these slots. The highest of a tier is what a switch must name.';

-- A tenant that is served apart from its slots: pinned to a schema or database of its own, or ahead of the others.
create table tenant_pointers (
  tier                text not null,
  tenant_id           uuid not null,
  generation          integer,
  previous_generation integer,
  epoch               bigint not null,
  switched_at         timestamptz not null default now(),
  primary key (tier, tenant_id),
  foreign key (tier, generation) references generations (tier, generation)
);
comment on column tenant_pointers.generation is 'Null: by its slots again, as all others.';
create function announce_tenant_pointer() returns trigger language plpgsql as $$
begin
  perform pg_notify('mailfold_control', coalesce(new.tier, old.tier));
  return null;
end $$;
create trigger tenant_pointer_changed after insert or update or delete on tenant_pointers
  for each row execute function announce_tenant_pointer();
