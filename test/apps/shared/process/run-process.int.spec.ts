import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { runToEnd, startProcess } from '../../../support/processes';

const runProcessPath = resolve('dist/apps/shared/process/run-process.js');
const loadConfigPath = resolve('dist/apps/shared/config/load-config.js');

describe('runProcess', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mailfold-process-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A process whose start function has the given body, as a file of its own. */
  function processWith(body: string): string {
    const path = join(folder, `${expect.getState().currentTestName?.replace(/\W+/g, '-')}.js`);
    writeFileSync(
      path,
      `const { runProcess } = require(${JSON.stringify(runProcessPath)});
       const { ConfigError } = require(${JSON.stringify(loadConfigPath)});
       runProcess('sample', async ({ log, onShutdown }) => { setInterval(() => undefined, 1000); ${body} });`,
    );
    return path;
  }

  it('reports its port, closes in reverse order and exits 0 on SIGTERM', async () => {
    const sample = await startProcess(
      processWith(`onShutdown(() => log.info('first closed')); onShutdown(async () => log.info('second closed'));
                   return { port: 4711 };`),
    );
    expect(sample.port).toBe(4711);
    expect(await sample.stop()).toBe(0);
    expect(sample.output()).toMatch(/second closed[\s\S]*first closed/);
  });

  it('closes the rest when one hook fails', async () => {
    const sample = await startProcess(
      processWith(
        `onShutdown(() => log.info('first closed')); onShutdown(() => { throw new Error('no'); });`,
      ),
    );
    expect(await sample.stop()).toBe(0);
    expect(sample.output()).toMatch(/shutdown hook failed[\s\S]*first closed/);
  });

  it('lives on after a stray rejection, and counts it', async () => {
    const sample = await startProcess(
      processWith(`await Promise.resolve(); Promise.reject(new Error('stray'));`),
    );
    expect(await sample.stop()).toBe(0);
    expect(sample.output()).toMatch(/"strayRejections":1.*unhandled rejection/);
  });

  it('dies of an uncaught exception', async () => {
    const { exitCode, output } = await runToEnd(
      processWith(`setTimeout(() => { throw new Error('bug'); }, 10);`),
    );
    expect(exitCode).toBe(1);
    expect(output).toContain('uncaught exception');
  });

  it('ends with one line and code 2 when it is misconfigured', async () => {
    const { exitCode, output } = await runToEnd(
      processWith(`throw new ConfigError('Configuration: X is not set');`),
    );
    expect({ exitCode, output }).toEqual({ exitCode: 2, output: 'Configuration: X is not set\n' });
  });

  it('runs its hooks when it could not start, and exits 1', async () => {
    const { exitCode, output } = await runToEnd(
      processWith(`onShutdown(() => log.info('closed')); throw new Error('no start');`),
    );
    expect(exitCode).toBe(1);
    expect(output).toMatch(/no start[\s\S]*closed/);
  });

  it('never logs an address, a key or a body, wherever it is put', async () => {
    const { output } = await runToEnd(
      processWith(`
        const secret = 'canary-7f3a';
        const error = Object.assign(new Error('duplicate key for jane@' + secret + '.example'), { detail: secret, code: '23505' });
        log.info({ authorization: secret, apiKey: secret, deep: { body: [secret], tenantId: 't1' }, tenantId: 't2' }, 'said by joe@' + secret + '.example');
        log.error({ err: error }, 'failed');
        process.exit(0);`),
    );
    expect(output).toContain('"tenantId":"t1"');
    expect(output).toContain('"tenantId":"t2"');
    expect(output).toContain('"code":"23505"');
    expect(output).not.toContain('canary');
  });
});
