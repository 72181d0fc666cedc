-- Digests of ids are kept since 0002. What lanes had taken in before is in none of them, and to count it afterwards from the log
-- would hide what they may lack.
alter table checkpoints add column is_summed boolean not null default true;
comment on column checkpoints.is_summed is 'Whether events, id_digest_hi and id_digest_lo are over all that the lane has taken in.';

-- Files that are pending together run within moments.
update checkpoints set is_summed = false
where commit_position is not null
  and (select max(run_on) - min(run_on) from migrations_generation where name in ('0001_lanes', '0002_coverage')) > interval '1 minute';
