const Sequencer = require('@jest/test-sequencer').default;

/** In seconds, roughly: only the order counts. Of those that take more than others of their kind. */
const secondsOf = {
  'chaos/rebuild.e2e': 70,
  'e2e/repartition.e2e': 65,
  'e2e/rebuild-ways.e2e': 60,
  'e2e/rebuild.e2e': 45,
  'e2e/kill-any-process.e2e': 45,
  'e2e/import-corpus.e2e': 45,
  'shared/rebuilding/bulk-load.int': 45,
  'e2e/demo-rebuild.e2e': 37,
  'projector/lanes.e2e': 36,
  'dev/start.e2e': 34,
  'e2e/rebuild-new-projector.e2e': 33,
  'event-store/subscription-guards.int': 32,
  'chaos/pressure.e2e': 31,
  'e2e/flips.e2e': 28,
  'chaos/log.e2e': 26,
  'query-api/outage.int': 22,
  'proving/prove.int': 22,
};
const secondsOfKind = [
  [/\.e2e\.spec\.ts$/, 15],
  [/\.int\.spec\.ts$/, 8],
  [/\.spec\.ts$/, 1],
];

/**
 * The longest files first, so that the workers end together. Jest does so by itself once it knows how long each took; on a
 * clean checkout it would take the size of a file for its length, and run the longest test of all alone at the end.
 */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((a, b) => secondsFor(b.path) - secondsFor(a.path));
  }
};

function secondsFor(path) {
  const known = Object.entries(secondsOf).find(([name]) => path.endsWith(`${name}.spec.ts`));
  return known?.[1] ?? secondsOfKind.find(([kind]) => kind.test(path))?.[1] ?? 0;
}
