import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

interface Violation {
  rule: string;
  from: string;
  file: string;
}

const root = resolve(__dirname, '..');

/** One file each that breaks one rule; the file's only import is the offence. */
const planted: Violation[] = [
  { rule: 'domain-is-pure', file: 'domain/message/clock.ts', from: 'node:crypto' },
  { rule: 'domain-is-pure', file: 'domain/message/framework.ts', from: '@nestjs/common' },
  { rule: 'domain-is-pure', file: 'domain/message/outward.ts', from: '../../apps/shared/innocent' },
  { rule: 'aggregates-stay-apart', file: 'domain/message/neighbour.ts', from: '../tenant/innocent' },
  {
    rule: 'projections-read-events-only',
    file: 'projections/oltp/decider.ts',
    from: '../../domain/tenant/innocent',
  },
  { rule: 'projections-read-events-only', file: 'projections/oltp/io.ts', from: 'pg' },
  { rule: 'tiers-stay-apart', file: 'projections/oltp/other-tier.ts', from: '../olap/innocent' },
  { rule: 'apps-stay-apart', file: 'apps/projector/neighbour.ts', from: '../reactor/innocent' },
  { rule: 'shared-knows-no-app', file: 'apps/shared/upward.ts', from: '../reactor/innocent' },
  { rule: 'query-api-cannot-write', file: 'apps/query-api/domain.ts', from: '../../domain/tenant/innocent' },
  { rule: 'query-api-cannot-write', file: 'apps/query-api/log.ts', from: '../shared/event-store/innocent' },
  { rule: 'one-door-to-the-event-store', file: 'apps/projector/client.ts', from: '@eventstore/db-client' },
  { rule: 'a-rebuild-has-no-side-effects', file: 'apps/mailfold/mailer.ts', from: 'nodemailer' },
  {
    rule: 'a-bulk-load-reaches-no-side-effect',
    file: 'apps/shared/rebuilding/teller.ts',
    from: '../innocent-looking',
  },
  {
    rule: 'a-bulk-load-reaches-no-side-effect',
    file: 'apps/shared/proving/command.ts',
    from: '../event-store/handle-command',
  },
  {
    rule: 'a-bulk-load-makes-no-connection-of-its-own',
    file: 'apps/shared/rebuilding/call.ts',
    from: 'node:https',
  },
  { rule: 'resolvable', file: 'apps/projector/missing.ts', from: './is-not-there' },
];

const innocent = [
  'apps/shared/innocent.ts',
  'apps/shared/event-store/innocent.ts',
  'apps/shared/event-store/handle-command.ts',
  'apps/shared/redis/innocent.ts',
  'apps/reactor/innocent.ts',
  'domain/tenant/innocent.ts',
  'projections/olap/innocent.ts',
];

describe('the dependency rule', () => {
  let tree: string;
  let reported: { rule: string; from: string }[];

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'mailfold-boundaries-'));
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
      cpSync(join(root, file), join(tree, file));
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    for (const file of innocent) write(file, 'export const innocent = 1;\n');
    for (const { file, from } of planted)
      write(file, `import * as offence from '${from}';\nexport { offence };\n`);
    // An offence at one remove: what is imported is innocent, what that imports is not.
    write('apps/shared/innocent-looking.ts', "export * from './redis/innocent';\n");
    write('domain/tenant/one.ts', "export { two } from './two';\nexport const one = 1;\n");
    write('domain/tenant/two.ts', "export { one } from './one';\nexport const two = 2;\n");
    reported = cruise();
  });

  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it.each(planted)('$rule reports $file importing $from', ({ rule, file }) => {
    expect(reported).toContainEqual({ rule, from: file });
  });

  it('reports a cycle', () => {
    expect(reported.map(({ rule }) => rule)).toContain('no-circular');
  });

  it('leaves files without an offence alone', () => {
    expect(reported.filter(({ from }) => innocent.includes(from))).toEqual([]);
  });

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    writeFileSync(join(tree, file), text);
  }

  function cruise(): { rule: string; from: string }[] {
    const bin = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const args = [
      bin,
      'apps',
      'domain',
      'projections',
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'json',
    ];
    const output = runAllowingViolations(args);
    const { summary } = JSON.parse(output) as {
      summary: { violations: { from: string; rule: { name: string } }[] };
    };
    return summary.violations.map((violation) => ({ rule: violation.rule.name, from: violation.from }));
  }

  function runAllowingViolations(args: string[]): string {
    try {
      return execFileSync(process.execPath, args, { cwd: tree, encoding: 'utf8', maxBuffer: 64 << 20 });
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }
});
