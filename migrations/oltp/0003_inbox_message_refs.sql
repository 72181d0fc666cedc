-- T-01: metadata only; the body lies in the content tier under content_storage_key (F-02).
create table inbox_message_refs (
  tenant_id              uuid not null,
  id                     uuid not null,
  slot                   smallint not null,
  email_account_id       uuid not null,
  conversation_id        uuid,
  campaign_id            uuid,
  lead_id                uuid,
  parent_message_id      uuid,
  direction              varchar(20) not null check (direction in ('inbound', 'outbound')),
  message_type           varchar(20) not null check (message_type in ('email', 'bounce', 'auto_reply')),
  from_email             varchar(254) not null,
  to_email               varchar(254),
  subject                varchar(500) not null,
  status                 varchar(50) not null check (status in ('received', 'submitted', 'parked')),
  preview                text not null,
  attachment_count       integer not null,
  thread_node_id         uuid,
  content_storage_key    varchar(500) not null,
  sent_at                timestamptz,
  processed              timestamptz not null,
  created                timestamptz not null,
  updated                timestamptz not null,
  stream_revision        bigint not null,
  log_position           bigint not null,
  primary key (tenant_id, id)
);
comment on column inbox_message_refs.thread_node_id is 'What the Message-ID field stands for; a keyed hash, so the field itself is not stored here.';
comment on column inbox_message_refs.processed is 'When the message was received or submitted.';
create index inbox_message_refs_by_conversation on inbox_message_refs (tenant_id, conversation_id, processed, id);
create index inbox_message_refs_parked on inbox_message_refs (tenant_id, processed desc) where status = 'parked';

-- All recipients; the first one is mirrored in to_email (C-29).
create table message_recipients (
  tenant_id    uuid not null,
  message_id   uuid not null,
  ordinal      smallint not null,
  slot         smallint not null,
  kind         text not null check (kind in ('from', 'to', 'cc')),
  name         text,
  address      text not null,
  log_position bigint not null,
  primary key (tenant_id, message_id, ordinal)
);
call protect_tenant_rows('inbox_message_refs');
call protect_tenant_rows('message_recipients');
