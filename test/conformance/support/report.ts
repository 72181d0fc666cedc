/** What this report reads of Jest's `--json` output. */
export interface JestResults {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly JestAssertion[];
  }[];
}

interface JestAssertion {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
  readonly failureMessages: readonly string[] | null;
}

export interface SectionReport {
  readonly server: string;
  readonly section: string;
  passed: number;
  failed: number;
  skipped: number;
  readonly failures: { readonly test: string; readonly message: string }[];
  readonly skips: { readonly test: string; readonly reason: string }[];
}

export interface ConformanceReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly sections: readonly SectionReport[];
}

const reasonPattern = / \[skipped: (.+)\]$/;

/** Counts by server and section what `testName` selects, if it is given. A file that did not run is a failure. */
export function reportOf(results: JestResults, testName = ''): ConformanceReport {
  const selected = new RegExp(testName, 'i');
  const sections = new Map<string, SectionReport>();
  for (const file of results.testResults) {
    if (file.assertionResults.length === 0 && file.message !== '')
      addFailure(sectionFor(sections, '–', file.name), 'the file could not be run', file.message);
    for (const assertion of file.assertionResults)
      if (selected.test([...assertion.ancestorTitles, assertion.title].join(' ')))
        addResult(sections, assertion);
  }
  const all = [...sections.values()].sort(
    (a, b) => a.server.localeCompare(b.server) || a.section.localeCompare(b.section),
  );
  const sum = (field: 'passed' | 'failed' | 'skipped'): number =>
    all.reduce((total, section) => total + section[field], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped'), sections: all };
}

function addResult(sections: Map<string, SectionReport>, assertion: JestAssertion): void {
  const [top = '', ...rest] = assertion.ancestorTitles;
  const [server = '', section = top] = top.split(' › ');
  const test = [...rest, assertion.title].join(' › ');
  const reason = reasonPattern.exec(assertion.title)?.[1];
  if (assertion.status === 'passed') sectionFor(sections, server, section).passed += 1;
  else if (assertion.status === 'failed')
    addFailure(sectionFor(sections, server, section), test, (assertion.failureMessages ?? []).join('\n'));
  else if (reason !== undefined) {
    const report = sectionFor(sections, server, section);
    report.skipped += 1;
    report.skips.push({ test: test.replace(reasonPattern, ''), reason });
  }
}

function addFailure(report: SectionReport, test: string, message: string): void {
  report.failed += 1;
  report.failures.push({ test, message });
}

function sectionFor(sections: Map<string, SectionReport>, server: string, section: string): SectionReport {
  const key = JSON.stringify([server, section]);
  const known = sections.get(key);
  if (known !== undefined) return known;
  const report = { server, section, passed: 0, failed: 0, skipped: 0, failures: [], skips: [] };
  sections.set(key, report);
  return report;
}

/** For people: a table per server, then what failed and what was skipped, each with its reason. */
export function tableOf(report: ConformanceReport): string {
  const lines: string[] = [];
  for (const server of new Set(report.sections.map((section) => section.server))) {
    const sections = report.sections.filter((section) => section.server === server);
    const width = Math.max(server.length, ...sections.map(({ section }) => section.length));
    lines.push('', `${server.padEnd(width)}  passed  failed  skipped`);
    for (const { section, ...counts } of sections) {
      const numbers = [counts.passed, counts.failed, counts.skipped] as const;
      const cells = [6, 6, 7].map((cell, index) => String(numbers[index]).padStart(cell));
      lines.push([section.padEnd(width), ...cells].join('  '));
    }
    for (const { section, failures } of sections)
      for (const { test, message } of failures)
        lines.push('', `FAILED  ${section} › ${test}`, indented(message));
    for (const { section, skips } of sections)
      for (const { test, reason } of skips) lines.push(`skipped  ${section} › ${test}: ${reason}`);
  }
  lines.push('', `${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped`);
  return `${lines.join('\n').trimStart()}\n`;
}

/** The failure without its stack. */
function indented(message: string): string {
  const [text = ''] = message.split(/\n\s+at /);
  return text.replaceAll(/^/gm, '    ');
}
