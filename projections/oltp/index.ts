import type { ProjectionTier } from '../tier';
import { conversationsProjection } from './conversations.projection';
import { inboxMessageRefsProjection } from './inbox-message-refs.projection';
import { oltpBalances, oltpRowInvariants } from './invariants';
import { mailboxesProjection } from './mailboxes.projection';
import { tenantsProjection } from './tenants.projection';
import { usersProjection } from './users.projection';

/** What agents work with all day: small rows, no bodies. */
export const oltpTier: ProjectionTier = {
  tier: 'oltp',
  withContent: false,
  projections: [
    tenantsProjection,
    usersProjection,
    mailboxesProjection,
    conversationsProjection,
    inboxMessageRefsProjection,
  ],
  rowInvariants: oltpRowInvariants,
  balances: oltpBalances,
};
