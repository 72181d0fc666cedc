-- How far each reactor has come in the log. Its side effects cannot be taken back, so no rebuild, cut-over or migration of
-- a tier ever touches these rows; they lie apart from the tiers for that reason (architecture.md §7).
create table reactor_checkpoints (
  reactor          text primary key,
  commit_position  numeric(20) check (commit_position >= 0),
  prepare_position numeric(20) check (prepare_position >= 0),
  event_id         uuid,
  epoch            bigint not null default 0,
  owner            text,
  lease_expires_at timestamptz,
  updated_at       timestamptz not null default now(),
  constraint reactor_checkpoints_position_is_whole check (
    (commit_position is null) = (prepare_position is null) and (commit_position is null) = (event_id is null)
  )
);
comment on column reactor_checkpoints.event_id is 'The event at that position; on resume it must be that very one, else this is another log.';
comment on column reactor_checkpoints.epoch is 'Counts owners. A write under an older epoch changes no row: its writer has lost the lease and stops.';

-- Events a reactor could not answer. It goes on with others; these wait for a build that can, or for a person.
create table reactor_parked (
  reactor         text not null,
  event_id        uuid not null,
  stream_name     text not null,
  event_type      text not null,
  revision        bigint not null check (revision >= 0),
  commit_position numeric(20) not null,
  reason          text not null,
  parked_at       timestamptz not null default now(),
  primary key (reactor, event_id)
);
