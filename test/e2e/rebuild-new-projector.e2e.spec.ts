import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { samplePath } from '../../apps/dev/demo-sample';
import { loadDevEnvironment } from '../../apps/shared/config/dev-environment';
import { removeDataDirectory } from '../../apps/shared/embedded/directories';
import { copyClusterTemplate } from '../support/cluster-template';
import { queryAsSuperuser } from '../support/postgres';

const migration = `
create table mails_per_mailbox (
  tenant_id    uuid not null,
  mailbox_id   uuid not null,
  slot         smallint not null,
  received     integer not null,
  log_position bigint not null,
  primary key (tenant_id, mailbox_id)
);
call protect_tenant_rows('mails_per_mailbox');
`;

const projection = `
const { rowOperation } = require('../projection');
const table = {
  name: 'mails_per_mailbox',
  primaryKey: ['mailbox_id'],
  columns: { mailbox_id: 'uuid', received: 'integer' },
};
exports.mailsPerMailbox = {
  name: 'mails-per-mailbox',
  tables: [table],
  project: (event) =>
    event.type !== 'MessageReceived'
      ? []
      : [
          rowOperation(
            table,
            { tenantId: event.metadata.tenantId, slotEntityId: event.data.mailboxId },
            [event.data.mailboxId],
            (row) => ({ mailbox_id: event.data.mailboxId, received: (row?.received ?? 0) + 1 }),
          ),
        ],
};
`;

/** Its line in the registry, and that its rows are new, for the proof. */
const registration = `
const tier = exports.olapTier;
exports.olapTier = {
  ...tier,
  projections: [...tier.projections, require('./mails-per-mailbox.projection').mailsPerMailbox],
  expectedDifferences: [{ table: 'mails_per_mailbox', columns: 'rows', reason: 'the table is new' }],
};
`;

interface Certificates {
  readonly oltp: { readonly gates: readonly { readonly gate: string }[] };
}

/** Mailboxes are shown in capitals from now on. */
const changedProjection = `
const { oltpTier } = exports;
const inCapitals = (row) => row && { ...row, name: row.name.toUpperCase() };
const changed = (projection) => ({
  ...projection,
  project: (event) => projection.project(event).map((each) => ({ ...each, fold: (row) => inCapitals(each.fold(row)) })),
});
exports.oltpTier = {
  ...oltpTier,
  projections: oltpTier.projections.map((each) => (each.name === 'mailboxes' ? changed(each) : each)),
};
`;

describe('a build with other projections', () => {
  const build = mkdtempSync(join(tmpdir(), 'mf-build-'));
  const dataDir = mkdtempSync(join(tmpdir(), 'mf-'));
  const env: NodeJS.ProcessEnv = {
    ...{ PATH: process.env['PATH'], HOME: process.env['HOME'], DATA_DIR: dataDir },
    ...{ EVENT_STORE_NODE_PORT: '0', COMMAND_API_PORT: '0', QUERY_API_PORT: '0', CONSOLE_PORT: '0' },
  };
  let system: ChildProcess | undefined;
  let mailboxId: string;

  beforeAll(async () => {
    await copyClusterTemplate(dataDir);
    cpSync('dist', join(build, 'dist'), { recursive: true });
    cpSync('migrations', join(build, 'migrations'), { recursive: true });
    cpSync('package.json', join(build, 'package.json'));
    symlinkSync(resolve('node_modules'), join(build, 'node_modules'));
  });
  afterAll(async () => {
    await stop();
    rmSync(build, { recursive: true, force: true });
    await removeDataDirectory(dataDir);
  });

  async function start(): Promise<void> {
    system = spawn(process.execPath, [join(build, 'dist/apps/dev/main.js'), 'start'], { env });
    let screen = '';
    await new Promise<void>((done, fail) => {
      system?.stdout?.on('data', (text: Buffer) => {
        screen += text.toString();
        if (screen.includes('Ctrl-C stops everything')) done();
      });
      system?.on('exit', () => fail(new Error(screen)));
    });
  }
  async function stop(): Promise<void> {
    if (system === undefined || system.exitCode !== null) return;
    system.kill('SIGTERM');
    await once(system, 'exit');
  }
  async function mailfold(...args: string[]): Promise<{ exitCode: number; last: Record<string, unknown> }> {
    const child = spawn(process.execPath, [join(build, 'dist/apps/mailfold/main.js'), '--json', ...args], {
      env,
    });
    let stdout = '';
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    const [exitCode] = (await once(child, 'close')) as [number];
    const last = stdout.trim().split('\n').at(-1) ?? '';
    return { exitCode, last: last === '' ? {} : (JSON.parse(last) as Record<string, unknown>) };
  }

  it('adds a read model by one pure file, its line in the registry and one migration: the tool rebuilds, proves and cuts over to it', async () => {
    await start();
    const running: NodeJS.ProcessEnv = {};
    loadDevEnvironment(dataDir, running);
    const secrets = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8')) as {
      demo: { mailboxId: string };
    };
    ({ mailboxId } = secrets.demo);
    expect((await mailfold('import', samplePath(), '--mailbox', mailboxId)).exitCode).toBe(0);
    await stop();

    writeFileSync(join(build, 'migrations/olap/0099_mails_per_mailbox.sql'), migration);
    writeFileSync(join(build, 'dist/projections/olap/mails-per-mailbox.projection.js'), projection);
    appendFileSync(join(build, 'dist/projections/olap/index.js'), registration);
    await start();
    const served = await mailfold('rebuild', 'run', 'olap', '--verify', '--cutover');
    expect(served).toMatchObject({ exitCode: 0, last: { state: 'serving' } });
    const rows = await queryAsSuperuser<{ received: number }>(
      running['OLAP_DATABASE_URL'] ?? '',
      'select received from g2.mails_per_mailbox where mailbox_id = $1',
      [mailboxId],
    );
    expect(rows).toEqual([{ received: 38 }]);
  }, 120_000);

  it('changes one on purpose: what is not declared is listed by its key, and serves only once it is declared', async () => {
    await stop();
    appendFileSync(join(build, 'dist/projections/oltp/index.js'), changedProjection);
    await start();
    const expected = (columns: string[]): string => {
      const file = join(dataDir, 'expected.json');
      writeFileSync(file, JSON.stringify([{ table: 'mailboxes', columns, reason: 'names are in capitals' }]));
      return file;
    };
    const rowsGate = ({ last }: { last: Record<string, unknown> }): unknown =>
      (last['certificates'] as Certificates).oltp.gates.find(({ gate }) => gate === 'rows');
    const listed = {
      holds: false,
      detail: expect.arrayContaining([
        expect.stringMatching(new RegExp(`^mailboxes [0-9a-f-]{36} ${mailboxId} in slot \\d+: name$`)),
      ]) as string[],
    };
    const undeclared = await mailfold('rebuild', 'run', 'oltp', '--verify');
    expect(undeclared).toMatchObject({ exitCode: 1, last: { state: 'refuted' } });
    expect(rowsGate(undeclared)).toMatchObject(listed);
    const run = String(undeclared.last['run']);
    const another = await mailfold('rebuild', 'verify', run, '--expected', expected(['threading_policy']));
    expect(another).toMatchObject({ exitCode: 1, last: { state: 'refuted' } });
    expect(rowsGate(another)).toMatchObject(listed);
    const declared = await mailfold('rebuild', 'verify', run, '--expected', expected(['name']));
    expect(declared).toMatchObject({ exitCode: 0, last: { state: 'verified' } });
    expect(await mailfold('rebuild', 'cutover', run, '--without-shadow-reads')).toMatchObject({
      exitCode: 0,
      last: { state: 'serving' },
    });
  }, 120_000);
});
