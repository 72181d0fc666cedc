import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from '../support/processes';

describe('npm run demo', () => {
  it('meets every expected answer within a minute and leaves no file behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'));
    const temporary = join(folder, 't');
    mkdirSync(temporary);
    try {
      const { exitCode, output } = await runToEnd('apps/dev/main.js', {
        args: ['demo'],
        env: { TMPDIR: temporary },
      });
      expect({ exitCode, output }).toEqual({ exitCode: 0, output: expect.stringContaining('Demo done in') });
      expect(output).not.toContain('✗');
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
