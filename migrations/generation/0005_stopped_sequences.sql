-- From where on a sequence has no effect. parked_sequences keeps what was not applied, in the schema that holds the
-- sequence's own slot; its events change rows of other slots too, whose lanes may lie in other databases.
create table stopped_sequences (
  tenant_id   uuid not null,
  sequence_id uuid not null,
  lane        smallint not null default -1 check (lane >= -1),
  position    numeric(20, 0) not null,
  primary key (tenant_id, sequence_id, lane)
);
comment on column stopped_sequences.lane is '-1: every lane, since nobody can read or project the event; else the one lane whose rows could not take it.';
comment on column stopped_sequences.position is 'Of the poison event: it and all later ones of its sequence change nothing here.';

-- Owners are under row-level security too.
alter table parked_sequences no force row level security;
insert into stopped_sequences (tenant_id, sequence_id, position)
select tenant_id, sequence_id, min(position) from parked_sequences group by tenant_id, sequence_id;
alter table parked_sequences force row level security;

call protect_tenant_rows('stopped_sequences');
