-- A tenant that is served apart from its slots need not stay in the target that all others share.
alter table generation_targets add column except_tenants uuid[] not null default '{}';
comment on column generation_targets.except_tenants is 'Tenants that the target has given up, or is about to: it cannot serve them.';
