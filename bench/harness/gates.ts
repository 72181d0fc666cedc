import type { LagSeries, Measurement } from './row';
import { median } from './statistics';

/** With fewer, a p99 is one of the ten slowest calls: chance. */
export const p99SamplesMin = 1_000;
/** A consumer slower than production by this share falls behind without end; less is lost in the noise of seconds. */
const lagGrowthShareMax = 0.02;

/** What makes a measurement worthless whatever its value, one line each. */
export function measurementViolations({ value, latencies, lag }: Measurement): string[] {
  const violations: string[] = [];
  if (!Number.isFinite(value) || value <= 0) violations.push(`measured ${value}: nothing was done`);
  if (latencies !== undefined && latencies.samples < p99SamplesMin)
    violations.push(`the p99 stands on ${latencies.samples} samples, it needs ${p99SamplesMin}`);
  if (lag !== undefined) violations.push(...lagViolations(lag));
  return violations;
}

/** Compares medians of the last two quarters: one stall at the end is no growth, and what settles early is none either. */
function lagViolations({ events, eventsPerSecond, intervalMs }: LagSeries): string[] {
  const quarter = Math.floor(events.length / 4);
  if (quarter < 2) return [`lag has ${events.length} samples, too few to see whether it grows`];
  const earlier = median(events.slice(-2 * quarter, -quarter));
  const later = median(events.slice(-quarter));
  const growthPerSecond = (later - earlier) / ((quarter * intervalMs) / 1_000);
  if (growthPerSecond <= eventsPerSecond * lagGrowthShareMax) return [];
  return [
    `lag grows over the last half: from ${Math.round(earlier)} to ${Math.round(later)} events at ${Math.round(eventsPerSecond)} events/s`,
  ];
}
