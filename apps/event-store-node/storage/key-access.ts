/**
 * Session settings under which every statement is planned as a walk along an index. All of the node's statements are, and
 * their plans are kept as long as the session: made while the log was small, one would otherwise scan it for ever after.
 */
export const keyAccessOptions =
  '-c enable_seqscan=off -c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan';
