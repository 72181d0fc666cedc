create table conversations (
  tenant_id         uuid not null,
  id                uuid not null,
  slot              smallint not null,
  email_account_id  uuid not null,
  subject           text not null,
  status            text not null check (status in ('open', 'pending', 'resolved', 'spam', 'trash', 'merged')),
  assigned_agent_id uuid,
  unread_count      integer not null check (unread_count >= 0),
  message_count     integer not null check (message_count >= 0),
  unread_message_ids jsonb not null,
  last_message_id   uuid,
  last_from         text not null,
  preview           text not null,
  last_message_at   timestamptz,
  merged_into       uuid,
  created_at        timestamptz not null,
  updated_at        timestamptz not null,
  stream_revision   bigint not null check (stream_revision >= 0),
  log_position      bigint not null,
  primary key (tenant_id, id)
);
comment on column conversations.unread_count is 'Inbound messages since anyone of the team last read it; per agent see conversation_reads (C-28).';
comment on column conversations.unread_message_ids is 'What unread_count counts: a message that is moved away takes its own mark along, and no other. The id of the conversation itself stands for a mark that an agent has set.';
comment on column conversations.stream_revision is 'Revision of the last event folded: the ETag a client sends back in If-Match.';
-- Serve the inbox list, newest first, by each of its filters (Q-01). The id breaks ties between pages.
create index conversations_by_mailbox on conversations (tenant_id, email_account_id, status, updated_at desc, id desc);
create index conversations_by_agent on conversations (tenant_id, assigned_agent_id, status, updated_at desc, id desc);
create index conversations_by_activity on conversations (tenant_id, status, updated_at desc, id desc);

create table conversation_reads (
  tenant_id       uuid not null,
  conversation_id uuid not null,
  agent_id        uuid not null,
  slot            smallint not null,
  seen_count      integer not null,
  seen_at         timestamptz not null,
  log_position    bigint not null,
  primary key (tenant_id, conversation_id, agent_id)
);
create table conversation_notes (
  tenant_id       uuid not null,
  conversation_id uuid not null,
  id              uuid not null,
  slot            smallint not null,
  author_id       uuid not null,
  body            text not null,
  created_at      timestamptz not null,
  log_position    bigint not null,
  primary key (tenant_id, conversation_id, id)
);

-- Kept by the projector instead of a materialised view (T-27, C-22). One row per agent and slot: an agent's figures are
-- the sum of their rows, so slots can move between shards and the sums stay true.
create table agent_inbox_summary (
  tenant_id             uuid not null,
  agent_id              uuid not null,
  slot                  smallint not null,
  open_conversations    integer not null,
  pending_conversations integer not null,
  total_unread          integer not null,
  log_position          bigint not null,
  primary key (tenant_id, agent_id, slot)
);
call protect_tenant_rows('conversations');
call protect_tenant_rows('conversation_reads');
call protect_tenant_rows('conversation_notes');
call protect_tenant_rows('agent_inbox_summary');
