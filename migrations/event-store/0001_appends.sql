-- The log: one row per append, in commit order (docs/adr/0003-embedded-node-storage.md).
create table if not exists appends (
  pos    bigint primary key,
  stream text collate "C" not null,
  rev    bigint not null,
  n      integer not null check (n >= 0),
  frames bytea not null
);
-- Already as small as the client made it, and read far more often than written.
alter table appends alter column frames set storage external;
comment on column appends.pos is 'Position of the first event; event i of the append stands at pos + i.';
comment on column appends.rev is 'Revision of the first event; 9223372036854775807 for the tombstone.';
comment on column appends.n is 'Events in the append; 0 writes a record that no read shows.';
comment on column appends.frames is 'The events as finished gRPC frames, end to end.';
-- An append without events takes no revision.
create unique index if not exists appends_stream_rev on appends (stream, rev) where n > 0;

-- The node that may write. Each start takes the next epoch.
create table if not exists writer (
  only_row boolean primary key default true check (only_row),
  epoch    bigint not null
);
insert into writer (epoch) values (0) on conflict do nothing;

-- In a trigger, so that no statement of any node can forget to ask.
create or replace function refuse_fenced_writer() returns trigger language plpgsql as $$
begin
  if not exists (select from writer where epoch = current_setting('event_store.epoch', true)::bigint) then
    raise exception 'another node has taken over this log' using errcode = 'MF001';
  end if;
  -- Both may be changed while the node runs.
  if current_setting('fsync') = 'off' or current_setting('synchronous_commit') = 'off' then
    raise exception 'fsync or synchronous_commit is off: a commit could be lost' using errcode = 'MF003';
  end if;
  return null;
end $$;
create or replace trigger appends_fence before insert on appends
  for each statement execute function refuse_fenced_writer();

create or replace function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the log is append-only';
end $$;
create or replace trigger appends_are_final before update or delete or truncate on appends
  for each statement execute function refuse_change();

-- A writer believes an append that expects no stream, and has it checked in the same round trip as the COPY.
create or replace function refuse_known_streams(names text[]) returns void language plpgsql as $check$
begin
  -- Lateral with a limit, so that each name is one walk down the index whatever the planner thinks of their number.
  if exists (select from unnest(names) as s(name)
             cross join lateral (select from appends
                                 where stream in (s.name, '$$' || s.name) and n > 0 limit 1) as known) then
    raise exception 'a stream that was taken to be new is not' using errcode = 'MF002';
  end if;
end $check$;
