-- What part of the tier a lane writes, where it must stop for a proof, and what it has applied.
alter table checkpoints
  add column only_tenant uuid,
  add column except_tenants uuid[] not null default '{}',
  add column hold_at numeric(20) check (hold_at >= 0),
  add column id_digest_hi numeric(20) not null default 0,
  add column id_digest_lo numeric(20) not null default 0;
comment on column checkpoints.only_tenant is 'The lane writes rows of this tenant only; null: of all but except_tenants.';
comment on column checkpoints.hold_at is 'Set: the lane commits up to this position exactly and waits there, until it is cleared.';
comment on column checkpoints.events is 'How many events of the tier the lane has taken in whose own slot and tenant are its own.';
comment on column checkpoints.id_digest_hi is 'With id_digest_lo: over those events, what the log ledger sums over all (log_ledger.digest_hi).';
