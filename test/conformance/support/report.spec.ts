import { reportOf, tableOf } from './report';

const results = {
  testResults: [
    {
      ...{ name: 'a.spec.ts', message: '' },
      assertionResults: [
        {
          ...{ ancestorTitles: ['node › reads', 'forwards'], title: 'all' },
          ...{ status: 'passed', failureMessages: [] },
        },
        {
          ...{ ancestorTitles: ['node › reads'], title: 'some' },
          ...{ status: 'failed', failureMessages: ['Expected: 1\n    at file.ts:1'] },
        },
        {
          ...{ ancestorTitles: ['node › writes'], title: 'odd [skipped: a real server hangs]' },
          ...{ status: 'pending', failureMessages: [] },
        },
        {
          ...{ ancestorTitles: ['node › writes'], title: 'not asked for' },
          ...{ status: 'pending', failureMessages: [] },
        },
      ],
    },
    { name: 'broken.spec.ts', message: 'SyntaxError', assertionResults: [] },
  ],
};

test('results are counted by section; a file that cannot run has failed', () => {
  const report = reportOf(results);
  expect(report).toMatchObject({ passed: 1, failed: 2, skipped: 1 });
  expect(report.sections.map(({ server, section }) => `${server}: ${section}`)).toEqual([
    '–: broken.spec.ts',
    'node: reads',
    'node: writes',
  ]);
});

test('only what is selected by name counts', () => {
  expect(reportOf(results, 'writes odd')).toMatchObject({ passed: 0, failed: 1, skipped: 1 });
});

test('the table names failures and the reasons of what was skipped', () => {
  const table = tableOf(reportOf(results));
  expect(table).toContain('FAILED  reads › some\n    Expected: 1');
  expect(table).not.toContain('file.ts:1');
  expect(table).toContain('skipped  writes › odd: a real server hangs');
  expect(table).toContain('1 passed, 2 failed, 1 skipped');
});
