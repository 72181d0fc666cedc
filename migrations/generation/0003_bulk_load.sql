-- How far a bulk load of this schema has come. Each row is written in the transaction of the work it names, so a load that
-- was killed anywhere goes on where it was.
create table load_units (
  unit    text primary key,
  rows    jsonb not null default '{}',
  done_at timestamptz not null default now()
);
comment on column load_units.rows is 'How many rows the unit has written, by table.';

-- What a bulk load takes off the tables before it writes them, and makes again once they are full.
create table deferred_definitions (
  ordinal    integer primary key,
  table_name text not null,
  name       text not null,
  kind       text not null check (kind in ('key', 'index', 'reference', 'trigger', 'row security')),
  definition text not null,
  removal    text not null,
  made_at    timestamptz
);
comment on column deferred_definitions.made_at is 'When it was made again; null: it is missing from the table.';
