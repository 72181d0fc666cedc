-- Every rebuild and re-partition from plan to retire: what was asked, how far it has come, what proves it, who did what.
create table rebuild_runs (
  run                   integer generated always as identity primary key,
  kind                  text not null check (kind in ('rebuild', 'repartition')),
  state                 text not null default 'planned' check (state in (
    'planned', 'running', 'paused', 'stopped', 'loaded', 'verified', 'refuted', 'partial', 'serving', 'rolled-back', 'done', 'discarded')),
  tiers                 text[] not null check (cardinality(tiers) > 0),
  spec                  jsonb not null,
  plan                  jsonb not null,
  code_version          text not null,
  fence                 numeric(20) check (fence >= 0),
  wish                  text not null default 'run' check (wish in ('run', 'pause')),
  events_per_second_max integer check (events_per_second_max > 0),
  progress              jsonb,
  certificates          jsonb not null default '{}',
  failure               text,
  owner                 text,
  heartbeat_at          timestamptz,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now()
);
comment on column rebuild_runs.state is 'Which step may follow is in apps/mailfold/rebuild/run-states.ts.';
comment on column rebuild_runs.code_version is 'Of the build that planned it. No other build may go on with it, or one generation would hold the rows of two.';
comment on column rebuild_runs.fence is 'The last position that the bulk phase reads. Fixed when the run begins; what comes later is the tail''s.';
comment on column rebuild_runs.wish is 'What an operator wants of the process that works on it; it looks about twice a second.';
comment on column rebuild_runs.certificates is 'By tier: the proof of the last verify.';
comment on column rebuild_runs.owner is 'The process that works on it or did so last. Whether it still does, its advisory lock tells.';

-- Who took which step and why, above all where a gate was overruled.
create table rebuild_run_journal (
  run    integer not null references rebuild_runs on delete cascade,
  at     timestamptz not null default clock_timestamp(),
  actor  text not null,
  action text not null,
  detail jsonb not null default '{}'
);
create index rebuild_run_journal_by_run on rebuild_run_journal (run, at);

-- In one transaction with the generation itself, so that a killed run finds what it has made.
alter table generations add column run integer references rebuild_runs;
comment on column generations.run is 'The run that made it; null for the first one of a tier.';
