-- Which copies of each tier exist, where they lie, and which one serves (architecture.md §6).
create table generations (
  tier         text not null check (tier in ('oltp', 'content', 'olap', 'queue')),
  generation   integer not null check (generation > 0),
  state        text not null check (state in ('building', 'tailing', 'retired')),
  code_version text not null,
  created_at   timestamptz not null default now(),
  retired_at   timestamptz,
  primary key (tier, generation)
);
comment on column generations.state is 'building: a rebuild fills it; tailing: projectors keep it at the end of the log, serving or not; retired: dropped.';

-- Where a generation's shards lie. database_ref names a configured URL, so that no secret is stored here.
create table generation_targets (
  tier         text not null,
  generation   integer not null,
  shard        integer not null,
  database_ref text not null,
  schema_name  text not null,
  primary key (tier, generation, shard),
  foreign key (tier, generation) references generations
);
create table shard_maps (
  tier      text not null,
  version   integer not null,
  slot_from smallint not null check (slot_from between 0 and 4095),
  slot_to   smallint not null check (slot_to between slot_from and 4095),
  shard     integer not null,
  primary key (tier, version, slot_from)
);

-- THE switch: the query API reads through it, a cut-over is a compare-and-swap on epoch.
create table pointers (
  tier                text not null,
  slot_from           smallint not null check (slot_from between 0 and 4095),
  slot_to             smallint not null check (slot_to between slot_from and 4095),
  generation          integer not null,
  previous_generation integer,
  epoch               bigint not null default 1,
  switched_at         timestamptz not null default now(),
  primary key (tier, slot_from),
  foreign key (tier, generation) references generations (tier, generation)
);
create function announce_pointer() returns trigger language plpgsql as $$
begin
  perform pg_notify('mailfold_control', new.tier);
  return null;
end $$;
create trigger pointer_changed after insert or update on pointers for each row execute function announce_pointer();
create trigger generation_changed after insert or update on generations for each row execute function announce_pointer();
