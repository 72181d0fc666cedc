import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from '../support/processes';

it('npm run demo -- rebuild spreads a tier over four shards and back under traffic, without an error, and leaves no file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-'));
  const temporary = join(folder, 't');
  mkdirSync(temporary);
  try {
    const { exitCode, output } = await runToEnd('apps/dev/main.js', {
      args: ['demo', 'rebuild', '--events', '1500'],
      env: { TMPDIR: temporary },
    });
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: expect.stringContaining('Demo done in') });
    expect(output).not.toContain('✗');
    expect(output).toMatch(/slots 3072-4095 in schema \w+ of OLTP_DATABASE_URL_B/);
    expect(output).toMatch(/holds +completeness [^]*holds +rows [^]*holds +oracle /);
    expect(output).toMatch(/Demo done in .* [1-9][\d,]* reads, 0 errors, .* no position went back/);
    expect(readdirSync(temporary)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 400_000);
