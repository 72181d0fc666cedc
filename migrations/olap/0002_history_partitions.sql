-- Days lie in monthly partitions, or in those that set_history_period() asks for before the first row.
alter table daily_analytics rename to unpartitioned;
alter table unpartitioned rename constraint daily_analytics_pkey to unpartitioned_pkey;
create table daily_analytics (like unpartitioned including all) partition by range (day);
call partition_history('daily_analytics', 'day', 'month');

-- Rows of a generation that serves stay; the policies hide them from an owner that is no superuser.
alter table unpartitioned no force row level security;
select make_history_partition('daily_analytics', start)
from (select distinct history_period_start(day, 'month') as start from unpartitioned) periods;
insert into daily_analytics select * from unpartitioned;
drop table unpartitioned;
call protect_tenant_rows('daily_analytics');
select make_history_partition(table_name, start) from missing_history_partitions();
