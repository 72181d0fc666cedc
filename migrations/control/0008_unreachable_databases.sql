-- A process that is alive, and cannot reach a database, leaves the lanes there to the others.
alter table projectors add column unreachable text[] not null default '{}';
comment on column projectors.unreachable is 'Names of the variables of tier databases that it has not reached for the length of a lease.';
