import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../../../apps/shared/embedded/embedded-postgres';
import { removeDataDirectory } from '../../../../apps/shared/embedded/directories';
import { createLibraryLinks, locatePostgres } from '../../../../apps/shared/embedded/postgres-binaries';
import { isAlive, runningPostmaster } from '../../../../apps/shared/embedded/postmaster-file';
import { copyClusterTemplate } from '../../../support/cluster-template';
import { queryAsSuperuser } from '../../../support/postgres';

describe('the embedded PostgreSQL', () => {
  let parent: string;
  let server: EmbeddedPostgres | undefined;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'mf-'));
  });
  afterEach(async () => {
    await server?.stop();
    server = undefined;
    rmSync(parent, { recursive: true, force: true });
  });

  const start = async (dataDir = parent): Promise<EmbeddedPostgres> =>
    (server = await startEmbeddedPostgres({ dataDir, databases: ['events', 'oltp'] }));
  /** On a cluster that is made already, where it does not matter how: `initdb` takes longer than all the rest. */
  const startOnCopy = async (): Promise<EmbeddedPostgres> => {
    await copyClusterTemplate(parent);
    return start();
  };

  it('keeps what was committed across a stop and a start', async () => {
    const first = await start();
    await queryAsSuperuser(first.url('events'), 'create table kept as select 42 as answer');
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    const second = await start();
    expect(await queryAsSuperuser(second.url('events'), 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('is durable and opens no port', async () => {
    const { url } = { url: (await start()).url('oltp') };
    const settings = ['fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses', 'TimeZone'];
    const rows = await queryAsSuperuser<{ name: string; setting: string }>(
      url,
      'select name, setting from pg_settings where name = any ($1)',
      [settings],
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      listen_addresses: '',
      TimeZone: 'UTC',
    });
  });

  it('adopts a server that a killed process left running, and stops it', async () => {
    const orphan = await startOnCopy();
    const adopter = await start();
    expect(adopter.pid).toBe(orphan.pid);
    expect(await queryAsSuperuser(adopter.url('oltp'), 'select 1 as one')).toEqual([{ one: 1 }]);
    await adopter.stop();
    expect(isAlive(orphan.pid)).toBe(false);
  });

  it('comes back after SIGKILL with all that was committed', async () => {
    const crashed = await startOnCopy();
    await queryAsSuperuser(crashed.url('events'), 'create table kept as select 1 as row');
    const pidBefore = crashed.pid;
    const exited = new Promise<void>((done) => crashed.onExit(done));
    process.kill(pidBefore, 'SIGKILL');
    await exited;
    await crashed.restart();
    expect(crashed.pid).not.toBe(pidBefore);
    expect(await queryAsSuperuser(crashed.url('events'), 'select row from kept')).toEqual([{ row: 1 }]);
  });

  it('starts although the number of its dead predecessor has a new owner, as in a restarted container', async () => {
    const crashed = await startOnCopy();
    await queryAsSuperuser(crashed.url('events'), 'create table kept as select 1 as row');
    const file = join(crashed.cluster, 'postmaster.pid');
    const written = readFileSync(file, 'utf8');
    await crashed.stop();
    const { account } = await locatePostgres();
    // Of the server's own user: PostgreSQL takes a process of another one for what it is.
    const newOwner = spawn('sleep', ['60'], { ...account, cwd: '/' });
    try {
      writeFileSync(file, written.replace(/^\d+/, String(newOwner.pid)));
      if (account) chownSync(file, account.uid, account.gid);
      const next = await start();
      expect(await queryAsSuperuser(next.url('events'), 'select row from kept')).toEqual([{ row: 1 }]);
    } finally {
      newOwner.kill();
    }
  });

  it('starts nothing more once it was told to stop, even in the middle of a restart', async () => {
    const crashed = await startOnCopy();
    process.kill(crashed.pid, 'SIGKILL');
    const restarting = crashed.restart();
    await crashed.stop();
    await restarting;
    expect(await runningPostmaster(crashed.cluster)).toBeNull();
  });

  it('works below a directory only its owner can enter, at any depth', async () => {
    chmodSync(parent, 0o700);
    const deep = join(parent, 'a-rather-long-directory-name'.repeat(3), 'another-one'.repeat(4));
    mkdirSync(deep, { recursive: true });
    const hidden = await start(deep);
    expect(await queryAsSuperuser(hidden.url('oltp'), 'select 1 as one')).toEqual([{ one: 1 }]);
    const { cluster } = hidden;
    await hidden.stop();
    await removeDataDirectory(deep);
    expect(existsSync(cluster)).toBe(false);
  });

  it('restores the library links that npm ci --ignore-scripts leaves out', async () => {
    const listed: unknown[] = [{ source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' }];
    mkdirSync(join(parent, 'lib'));
    writeFileSync(join(parent, 'pg-symlinks.json'), JSON.stringify(listed));
    writeFileSync(join(parent, 'lib', 'libx.so.1.2'), 'library');
    await createLibraryLinks(parent);
    await createLibraryLinks(parent);
    expect(readFileSync(join(parent, 'lib', 'libx.so.1'), 'utf8')).toBe('library');
  });

  it('says why the server did not start', async () => {
    await copyClusterTemplate(parent);
    const failing = startEmbeddedPostgres({
      dataDir: parent,
      databases: [],
      settings: { wal_level: 'nonsense' },
    });
    await expect(failing).rejects.toThrow(/invalid value for parameter "wal_level"/);
    expect(readFileSync(join(parent, 'log', 'postgres.log'), 'utf8')).toContain('nonsense');
    expect(existsSync(join(parent, 'postgres', 'postmaster.pid'))).toBe(false);
  });
});
