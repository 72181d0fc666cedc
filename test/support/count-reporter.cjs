const { appendFileSync } = require('node:fs');

/** Writes one line of counts per Jest run where CI asks for it, so that CI sums what ran instead of trusting an exit code. */
module.exports = class CountReporter {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites }) {
    const file = process.env.MAILFOLD_TEST_COUNTS;
    if (!file) return;
    const counts = {
      passed: numPassedTests,
      failed: numFailedTests + numRuntimeErrorTestSuites,
      skipped: numPendingTests,
    };
    appendFileSync(file, `${JSON.stringify(counts)}\n`);
  }
};
