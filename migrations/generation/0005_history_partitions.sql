-- History that grows for ever lies in partitions by time: a query reads the periods it asks for, and no others
-- (rebuild.md §4c). A tier's migration calls partition_history() for such a table, which must be empty of partitions.
create table history_partitions (
  table_name  text primary key,
  column_name text not null,
  period      text not null check (period in ('month', 'week'))
);
comment on table history_partitions is 'The tables of this schema that are partitioned by time: by which date, in how long periods. Weeks begin on Monday.';
grant select on history_partitions to mailfold_reader, mailfold_projector, mailfold_auditor;

create function history_period_start(day date, period text) returns date language sql immutable strict
  -- As timestamp: over timestamptz it would depend on the session's time zone.
  return date_trunc(period, day::timestamp)::date;

-- A date in a mail may be anything. Rows outside of these bounds stay in the DEFAULT partition, where they are alarmed.
create function history_is_plausible(day date) returns boolean language sql stable strict
  return day >= date '1990-01-01' and day < current_date + interval '1 year';

-- Makes the partition of the period that begins on `start`, with the rows that the DEFAULT partition holds of it. Null when
-- it is there already or not plausible.
create function make_history_partition(name text, start date) returns text language plpgsql security definer as $$
declare
  setting history_partitions;
  partition text := format('%s_p%s', name, to_char(start, 'YYYYMMDD'));
  rest text := name || '_default';
  next date;
begin
  if to_regclass(quote_ident(partition)) is not null or not history_is_plausible(start) then return null; end if;
  -- A weaker lock lets in a writer that has chosen the DEFAULT partition before and is refused afterwards, and whatever is
  -- not locked in the order table, partition can deadlock with a lane.
  execute format('lock table %I in access exclusive mode', name);
  if to_regclass(quote_ident(partition)) is not null then return null; end if;
  select * into strict setting from history_partitions where table_name = name;
  next := (start + ('1 ' || setting.period)::interval)::date;
  execute format('create table %I (like %I including all excluding indexes)', partition, name);
  execute format(
    'with moved as (delete from %I where %I >= %L and %I < %L returning *) insert into %I select * from moved',
    rest, setting.column_name, start, setting.column_name, next, partition);
  -- Nobody has business with a partition by itself; the policies are the table's.
  execute format('alter table %I enable row level security', partition);
  execute format('alter table %I force row level security', partition);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', name, partition, start, next);
  return partition;
end $$;

-- The beginnings of the periods without a partition: the present one, those that begin within three months, and those that
-- have rows in the DEFAULT partition.
create function missing_history_partitions() returns table (table_name text, start date)
  language plpgsql stable security definer as $$
declare
  setting history_partitions;
begin
  for setting in select * from history_partitions h order by h.table_name loop
    return query execute format(
      'select %L, start from ('
      '  select history_period_start(d::date, $1) as start'
      '  from generate_series(current_date, current_date + interval ''3 months'', interval ''1 day'') d'
      '  union select history_period_start(%I, $1) from %I) wanted '
      'where history_is_plausible(start) and to_regclass(quote_ident(%L || to_char(start, ''YYYYMMDD''))) is null order by start',
      setting.table_name, setting.column_name, setting.table_name || '_default', setting.table_name || '_p')
      using setting.period;
  end loop;
end $$;

-- How many rows lie in DEFAULT partitions, 1,000 of a table at most: more than none is to be looked at.
create function stray_history_rows() returns integer language plpgsql security definer as $$
declare
  setting history_partitions;
  strays integer := 0;
  counted integer;
begin
  for setting in select * from history_partitions loop
    execute format('select count(*) from (select from %I limit 1000) strays', setting.table_name || '_default') into counted;
    strays := strays + counted;
  end loop;
  return strays;
end $$;

-- Turns a partitioned table without partitions into one that has them, kept by the functions above.
create procedure partition_history(name text, column_name text, period text) language plpgsql as $$
declare
  rest text := name || '_default';
begin
  execute format('create table %I partition of %I default', rest, name);
  execute format('alter table %I enable row level security', rest);
  execute format('alter table %I force row level security', rest);
  -- Forced row-level security binds the owner as well, who must take rows out of it.
  execute format('create policy owner_takes_rows_out on %I to %I using (true)', rest, current_user);
  insert into history_partitions values (name, column_name, period);
end $$;

-- Before the first row: takes other periods, for all tables of the schema.
create procedure set_history_period(new_period text) language plpgsql as $$
declare
  setting history_partitions;
  partition regclass;
begin
  for setting in select * from history_partitions loop
    for partition in select inhrelid from pg_inherits where inhparent = quote_ident(setting.table_name)::regclass loop
      -- Not by its rows, which policies hide from an owner that is no superuser.
      if pg_relation_size(partition) > 0 then
        raise exception 'table % holds rows already, so its partitions stay as they are', setting.table_name
          using errcode = 'object_not_in_prerequisite_state';
      end if;
      if partition <> quote_ident(setting.table_name || '_default')::regclass then
        execute format('drop table %s', partition);
      end if;
    end loop;
  end loop;
  update history_partitions set period = new_period;
end $$;

-- A lane's process may call these though it owns nothing: they find their tables in this schema, whoever calls. Readers
-- wait behind the lock that waits for another reader, so it does not wait for long; whoever calls tries again.
do $$
declare
  called text;
begin
  foreach called in array array['make_history_partition(text, date)', 'missing_history_partitions()', 'stray_history_rows()'] loop
    execute format('alter function %s set search_path = %I, pg_temp', called, current_schema());
    execute format('revoke execute on function %s from public', called);
    execute format('grant execute on function %s to mailfold_projector', called);
  end loop;
  alter function make_history_partition(text, date) set lock_timeout = '50ms';
  execute format('alter procedure set_history_period(text) set search_path = %I, pg_temp', current_schema());
end $$;
