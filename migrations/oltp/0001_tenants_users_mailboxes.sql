-- Read model of projections/oltp. Derived: `mailfold rebuild oltp` fills it again.
create table tenants (
  tenant_id    uuid primary key,
  slot         smallint not null,
  name         text not null,
  time_zone    text not null,
  created      timestamptz not null,
  log_position bigint not null
);
create table api_keys (
  tenant_id    uuid not null,
  id           uuid not null,
  slot         smallint not null,
  name         text not null,
  key_hash     text not null,
  expires_at   timestamptz,
  revoked_at   timestamptz,
  created      timestamptz not null,
  log_position bigint not null,
  primary key (tenant_id, id)
);
create table users (
  tenant_id    uuid not null,
  id           uuid not null,
  slot         smallint not null,
  name         text not null,
  email        text not null,
  role         text not null check (role in ('owner', 'admin', 'agent', 'viewer')),
  status       text not null check (status in ('invited', 'active', 'deactivated')),
  created      timestamptz not null,
  updated      timestamptz not null,
  log_position bigint not null,
  primary key (tenant_id, id)
);
create table mailboxes (
  tenant_id        uuid not null,
  id               uuid not null,
  slot             smallint not null,
  name             text not null,
  address          text not null,
  threading_policy text not null check (threading_policy in ('references', 'references-and-subject')),
  created          timestamptz not null,
  updated          timestamptz not null,
  log_position     bigint not null,
  primary key (tenant_id, id)
);
comment on table mailboxes is 'The seeds call a mailbox an email account: email_account_id elsewhere is the id here (T-29).';
call protect_tenant_rows('tenants');
call protect_tenant_rows('api_keys');
call protect_tenant_rows('users');
call protect_tenant_rows('mailboxes');
