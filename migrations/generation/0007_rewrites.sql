alter table checkpoints add column rewrites bigint not null default 0;
comment on column checkpoints.rewrites is 'How often rows behind commit_position were written again, by a requeue: what was read of them before is out of date.';
