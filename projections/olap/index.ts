import type { ProjectionTier } from '../tier';
import { dailyAnalyticsProjection } from './daily-analytics.projection';

/** Figures over time. */
export const olapTier: ProjectionTier = {
  tier: 'olap',
  withContent: false,
  projections: [dailyAnalyticsProjection],
};
