-- Read model of projections/olap (T-17): counted by the projector, fresh with every commit; days are UTC days.
create table daily_analytics (
  tenant_id              uuid not null,
  day                    date not null,
  email_account_id       uuid not null,
  slot                   smallint not null,
  messages_received      integer not null,
  messages_sent          integer not null,
  bounces_received       integer not null,
  auto_replies_received  integer not null,
  messages_parked        integer not null,
  bytes_received         bigint not null,
  conversations_opened   integer not null,
  conversations_resolved integer not null,
  conversations_merged   integer not null,
  notes_added            integer not null,
  assignments            integer not null,
  log_position           bigint not null,
  primary key (tenant_id, day, email_account_id)
);
call protect_tenant_rows('daily_analytics');
