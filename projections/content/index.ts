import type { ProjectionTier } from '../tier';
import { contentObjectsProjection } from './content-objects.projection';
import { contentRowInvariants } from './invariants';

/** Bodies and attachments: large rows, read one message at a time. */
export const contentTier: ProjectionTier = {
  tier: 'content',
  withContent: true,
  projections: [contentObjectsProjection],
  rowInvariants: contentRowInvariants,
};
