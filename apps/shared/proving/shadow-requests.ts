/**
 * Requests of the query API that are answered from a tier, as its clients make them. Selects `tenant_id` and `path`;
 * tables as in projections/invariant.ts; `$1` is a seed, `$2` how many are wanted at most. A tier that is missing here is
 * read by no route.
 */
export const shadowRequests: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'oltp',
    [
      sampled('conversations', 'id', `'/v1/conversations/' || id`),
      sampled('conversations', 'id', `'/v1/conversations?limit=50&mailboxId=' || email_account_id`),
      sampled('conversations', 'id', `'/v1/conversations?limit=20&status=open,pending,resolved,spam,trash'`),
      sampled('users', 'id', `'/v1/agents/' || id || '/stats'`),
      sampled('tenants', 'tenant_id', `'/v1/mailboxes'`),
      sampled('tenants', 'tenant_id', `'/v1/users'`),
      sampled('inbox_message_refs', 'id', `'/v1/messages/' || id`),
    ],
  ],
  [
    'content',
    [
      sampled('content_objects', 'message_id', `'/v1/messages/' || message_id`),
      sampled('content_objects', 'message_id', `'/v1/messages/' || message_id || '/raw'`),
    ],
  ],
  [
    'olap',
    [sampled('daily_analytics', 'email_account_id', `'/v1/analytics/daily?from=' || day || '&to=' || day`)],
  ],
]);

function sampled(table: string, id: string, path: string): string {
  return `select tenant_id, ${path} as path from {${table}} order by hashtextextended(${id}::text, $1::bigint) limit $2`;
}
