-- Readers know which lanes write what they read. A lane that comes, goes or writes something else from now on is told of with the
-- change itself, before any commit under it.
create function announce_lane_change() returns trigger language plpgsql as $$
begin
  perform pg_notify('mailfold_lanes', tg_table_schema);
  return null;
end $$;
create trigger lanes_changed
  after insert or delete or update of slot_from, slot_to, only_tenant, except_tenants on checkpoints
  for each statement execute function announce_lane_change();
