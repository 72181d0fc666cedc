import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const root = resolve(__dirname, '..');
/** With the project's own settings, but for the rules that ask for types: reading all of the project takes ten seconds. */
const lint = `
  const { ESLint } = require('eslint');
  const { configs } = require('typescript-eslint');
  const eslint = new ESLint({ overrideConfig: configs.disableTypeChecked });
  const code = require('node:fs').readFileSync(0, 'utf8');
  eslint.lintText(code, { filePath: process.argv[1] }).then((results) => console.log(JSON.stringify(results)));
`;
/** Any file that the rules are for: its name is all that is taken from it. */
const where = 'apps/shared/event-store/backoff.ts';

/** One line each, and what must be said of it; `null` where nothing may be. */
const lines: readonly (readonly [code: string, complaint: RegExp | null])[] = [
  ["import { ANY } from '@eventstore/db-client';", /exact revision/],
  ["import { NO_STREAM } from '@eventstore/db-client';", null],
  [
    'declare const client: { appendToStream(...all: unknown[]): void; readStream(...all: unknown[]): void };',
    null,
  ],
  ["client.appendToStream('stream', []);", /Without expectedRevision/],
  ["client.appendToStream('stream', [], { requiresLeader: true });", /Without expectedRevision/],
  ["client.appendToStream('stream', [{ expectedRevision: 7n }], {});", /Without expectedRevision/],
  ["client.appendToStream('stream', [], { expectedRevision: 'any' });", /exact revision/],
  ["client.appendToStream('stream', [], { expectedRevision: ANY ? 'any' : 7n });", /exact revision/],
  ["client.appendToStream('stream', [], { expectedRevision: 7n, requiresLeader: true });", null],
  ["client.appendToStream('stream', [], { expectedRevision: NO_STREAM, credentials: {} });", /in the URL/],
  ["client.readStream('stream', { credentials: {} });", /in the URL/],
];

interface Message {
  readonly line: number;
  readonly ruleId: string;
  readonly message: string;
}

describe('the lint rules about the client of the event store', () => {
  let messages: Message[];
  beforeAll(() => {
    const input = lines.map(([code]) => code).join('\n');
    const { stdout } = spawnSync(process.execPath, ['-e', lint, where], {
      cwd: root,
      encoding: 'utf8',
      input,
    });
    const [result] = JSON.parse(stdout) as [{ messages: Message[] }];
    messages = result.messages.filter(({ ruleId }) => ruleId === 'no-restricted-syntax');
  });

  it.each(lines.map(([code, complaint], index) => ({ code, complaint, line: index + 1 })))(
    '$code: $complaint',
    ({ complaint, line }) => {
      const said = messages.filter((each) => each.line === line).map(({ message }) => message);
      expect(said).toEqual(complaint === null ? [] : [expect.stringMatching(complaint)]);
    },
  );
});
