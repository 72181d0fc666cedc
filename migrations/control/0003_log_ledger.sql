-- What the live tail of the log has seen, stretch by stretch, counted apart from all tiers: lag in seconds, the place of a
-- time, and the proof that a rebuild or an audit skipped nothing (architecture.md §5).
create table log_ledger (
  -- An unsigned 64-bit position does not fit in bigint.
  position_from numeric(20) primary key check (position_from >= 0),
  position_to   numeric(20) not null unique,
  ordinal_to    bigint not null,
  events        integer not null check (events > 0),
  bytes         bigint not null check (bytes >= 0),
  digest_hi     numeric(20) not null,
  digest_lo     numeric(20) not null,
  time_from     timestamptz not null,
  time_to       timestamptz not null,
  census        jsonb not null,
  constraint log_ledger_segment_runs_forward check (position_to >= position_from and time_to >= time_from)
);
comment on table log_ledger is 'One row per segment; the last one is open and still grows, the others never change.';
comment on column log_ledger.position_from is 'Of the segment''s first event; position_to is that of its last one.';
comment on column log_ledger.ordinal_to is 'How many events the log holds up to and including position_to.';
comment on column log_ledger.digest_hi is 'With digest_lo: the sum, modulo 2^64 each, of the halves of a 128-bit hash of every event id.';
comment on column log_ledger.time_to is 'The latest creation time of any event so far. Never goes back, though servers'' clocks may differ.';
comment on column log_ledger.census is 'Per type and schema version, such as MessageReceived.v1: events, bytes, digest in hex. What no build knows counts too.';
-- Serves as-of(time): the first segment that ends later.
create index log_ledger_by_time on log_ledger (time_to);

create table log_ledger_checkpoint (
  singleton        boolean primary key default true check (singleton),
  commit_position  numeric(20) check (commit_position >= 0),
  prepare_position numeric(20) check (prepare_position >= 0),
  event_id         uuid,
  epoch            bigint not null default 0,
  owner            text,
  lease_expires_at timestamptz,
  updated_at       timestamptz not null default now(),
  constraint log_ledger_checkpoint_position_is_whole check (
    (commit_position is null) = (prepare_position is null) and (commit_position is null) = (event_id is null)
  )
);
comment on column log_ledger_checkpoint.event_id is 'The event at that position; on resume it must be that very one, else this is another log.';
comment on column log_ledger_checkpoint.epoch is 'Counts writers. A write under an older epoch changes no row: its writer has lost the lease and rolls back.';
insert into log_ledger_checkpoint default values;
