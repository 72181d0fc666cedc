-- Read model of projections/content (T-06, T-07). Derived: the raw MIME is in the log, and everything here comes from it.
create table content_objects (
  tenant_id         uuid not null,
  storage_key       varchar(500) not null,
  slot              smallint not null,
  message_id        uuid not null,
  -- bytea, since compressed bytes are not text (C-20); compression_type holds for all three.
  content_text      bytea,
  content_html      bytea,
  content_raw       bytea not null,
  headers           jsonb not null,
  raw_size_bytes    integer not null,
  raw_sha256        text not null,
  compression_type  text not null check (compression_type in ('gzip', 'none')),
  parser_version    integer not null,
  parked_reason     text,
  created           timestamptz not null,
  expires           timestamptz,
  archived          boolean not null,
  log_position      bigint not null,
  primary key (tenant_id, storage_key)
);
alter table content_objects alter content_text set storage external, alter content_html set storage external, alter content_raw set storage external;
create unique index content_objects_by_message on content_objects (tenant_id, message_id);

create table attachments (
  tenant_id           uuid not null,
  id                  uuid not null,
  slot                smallint not null,
  parent_storage_key  varchar(500) not null,
  ordinal             smallint not null,
  filename            varchar(255),
  mime_type           varchar(100) not null,
  size_bytes          integer not null,
  content             bytea not null,
  content_sha256      text not null,
  content_id          text,
  storage_disposition varchar(50) not null check (storage_disposition in ('attachment', 'inline')),
  created             timestamptz not null,
  log_position        bigint not null,
  primary key (tenant_id, id)
);
alter table attachments alter content set storage external;
create index attachments_by_content on attachments (tenant_id, parent_storage_key, ordinal);
call protect_tenant_rows('content_objects');
call protect_tenant_rows('attachments');
