import { mkdtempSync, rmSync, statSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { portVariable, sharedVariables } from '../../../../apps/shared/config/databases';
import {
  loadDevEnvironment,
  removeDevEnvironment,
  writeDevEnvironment,
} from '../../../../apps/shared/config/dev-environment';
import { ConfigError, loadConfig } from '../../../../apps/shared/config/load-config';

const schema = z.object({
  OLTP_DATABASE_URL: sharedVariables.OLTP_DATABASE_URL,
  EVENTSTORE_URL: sharedVariables.EVENTSTORE_URL,
  LOG_LEVEL: sharedVariables.LOG_LEVEL,
  PORT: portVariable(4001),
});

describe('loadConfig', () => {
  it('fills defaults and turns a port into a number', () => {
    expect(loadConfig(schema, { OLTP_DATABASE_URL: 'postgresql:///oltp', PORT: '0', LOG_LEVEL: '' })).toEqual(
      {
        OLTP_DATABASE_URL: 'postgresql:///oltp',
        EVENTSTORE_URL: 'esdb://127.0.0.1:2113?tls=false',
        LOG_LEVEL: 'info',
        PORT: 0,
      },
    );
  });

  it('names every bad variable in one line and shows no value', () => {
    const load = () =>
      loadConfig(schema, { EVENTSTORE_URL: 'http://s3cret', LOG_LEVEL: 's3cret', PORT: '70000' });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(
      /OLTP_DATABASE_URL is not set.*EVENTSTORE_URL is invalid.*LOG_LEVEL is invalid.*PORT is invalid/,
    );
    expect(load).not.toThrow(/s3cret|\n/);
  });
});

describe('the environment file of a running development system', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'mailfold-env-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true }));

  it('supplies unset variables only, and special characters unchanged', () => {
    writeDevEnvironment(dataDir, { A: 'x#$y = "z"', B: 'from file', C: 'from file' });
    const env: NodeJS.ProcessEnv = { B: 'given', C: '' };
    loadDevEnvironment(dataDir, env);
    expect(env).toEqual({ A: 'x#$y = "z"', B: 'given', C: 'from file' });
  });

  it('is private, and refused when it no longer is', () => {
    writeDevEnvironment(dataDir, { A: '1' });
    const path = join(dataDir, 'env');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    chmodSync(path, 0o644);
    expect(() => loadDevEnvironment(dataDir, {})).toThrow(ConfigError);
  });

  it('is absent once the system stopped', () => {
    writeDevEnvironment(dataDir, { A: '1' });
    removeDevEnvironment(dataDir);
    const env: NodeJS.ProcessEnv = {};
    loadDevEnvironment(dataDir, env);
    expect(env).toEqual({});
  });
});
