-- Who holds a lane, and until when: a hold of a caller that has died ends by itself.
alter table checkpoints
  add column hold_id uuid,
  add column hold_expires_at timestamptz,
  add constraint checkpoints_hold_is_whole
    check (num_nulls(hold_at, hold_id, hold_expires_at) in (0, 3));
comment on column checkpoints.hold_at is 'Set: the lane commits up to this position exactly and waits there, until it is cleared or has expired.';
comment on column checkpoints.hold_id is 'The barrier that holds the lane. A second one waits until it is gone.';
