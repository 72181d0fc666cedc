-- The projector processes that are alive: they share the lanes of each tier by turns (lane-shares.ts).
create table projectors (
  owner     text primary key,
  tiers     text[] not null,
  joined_at timestamptz not null default now(),
  seen_at   timestamptz not null default now()
);
comment on column projectors.owner is 'As in the leases of the lanes (checkpoints.owner).';
comment on column projectors.seen_at is 'Refreshed twice a second; who is not seen for two seconds has no share.';

create function announce_projector() returns trigger language plpgsql as $$
begin
  perform pg_notify('mailfold_projectors', coalesce(new.owner, old.owner));
  return null;
end $$;
create trigger projector_came_or_went after insert or delete on projectors
  for each row execute function announce_projector();
