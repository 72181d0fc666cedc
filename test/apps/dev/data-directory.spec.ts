import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataDirectoryInUse, lockDataDirectory } from '../../../apps/dev/data-directory-lock';
import { choosePort } from '../../../apps/dev/ports';
import { loadSecrets, storeDemoTenant } from '../../../apps/dev/secrets';
import { ConfigError } from '../../../apps/shared/config/load-config';

describe('a data directory', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'mailfold-data-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  it('has one system at a time', () => {
    const release = lockDataDirectory(dataDir);
    expect(() => lockDataDirectory(dataDir)).toThrow(DataDirectoryInUse);
    release();
    lockDataDirectory(dataDir)();
  });

  it('is free again after a kill, even when the number of the dead process has a new owner', () => {
    writeFileSync(join(dataDir, 'lock'), '4194304 1');
    lockDataDirectory(dataDir)();
    writeFileSync(join(dataDir, 'lock'), `${process.ppid} 1`);
    lockDataDirectory(dataDir)();
  });

  it('keeps its secrets, privately; the environment goes before them', () => {
    const first = loadSecrets(dataDir, {});
    expect(Buffer.from(first.rootKey, 'base64')).toHaveLength(32);
    expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
    const demo = { tenantId: 't', apiKey: 'k', userId: 'u', mailboxId: 'm' };
    storeDemoTenant(dataDir, demo);
    expect(loadSecrets(dataDir, {})).toEqual({ ...first, demo });
    expect(loadSecrets(dataDir, { MAILFOLD_ADMIN_KEY: 'given' }).adminKey).toBe('given');
    expect(loadSecrets(dataDir, {}).adminKey).toBe(first.adminKey);
  });

  it('is refused when its secrets are damaged, rather than given a new root key', () => {
    writeFileSync(join(dataDir, 'secrets.json'), '{"adminKey":');
    expect(() => loadSecrets(dataDir, {})).toThrow(ConfigError);
  });
});

describe('choosePort', () => {
  const host = '127.0.0.1';

  it('takes the next free port when the usual one is taken, but never replaces a port that was asked for', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, host, done));
    const taken = (server.address() as AddressInfo).port;
    try {
      const chosen = await choosePort('SOME_PORT', taken, {}, host);
      expect(chosen.moved).toBe(true);
      expect(chosen.port).toBeGreaterThan(taken);
      await expect(choosePort('SOME_PORT', 1, { SOME_PORT: String(taken) }, host)).rejects.toThrow(
        ConfigError,
      );
      expect(await choosePort('SOME_PORT', 1, { SOME_PORT: '0' }, host)).toEqual({ port: 0, moved: false });
    } finally {
      server.close();
    }
  });
});
