import type { RowInvariant } from '../invariant';

export const contentRowInvariants: readonly RowInvariant[] = [
  {
    name: 'every attachment has its message',
    violations: `select a.tenant_id || ' ' || a.id as key from {attachments} a where not exists (
      select from {content_objects} o where o.tenant_id = a.tenant_id and o.storage_key = a.parent_storage_key)`,
  },
  {
    name: 'the bytes of an attachment are those of its digest',
    violations: `select tenant_id || ' ' || id as key from {attachments}
      where content_sha256 <> encode(sha256(content), 'hex') or size_bytes <> length(content)`,
  },
];
