import { runToEnd } from '../../support/processes';

const complete = {
  KEYS_DATABASE_URL: 'postgresql:///keys',
  MAILFOLD_ADMIN_KEY: 'a-key-of-enough-characters',
  MAILFOLD_ROOT_KEY: Buffer.alloc(32, 1).toString('base64'),
};

describe('the command API', () => {
  it.each<[string, Record<string, string>]>([
    ['KEYS_DATABASE_URL', { ...complete, KEYS_DATABASE_URL: '' }],
    ['MAILFOLD_ADMIN_KEY', { ...complete, MAILFOLD_ADMIN_KEY: 'short' }],
    ['MAILFOLD_ROOT_KEY', { ...complete, MAILFOLD_ROOT_KEY: Buffer.alloc(31, 1).toString('base64') }],
    ['MESSAGE_SIZE_MAX_BYTES', { ...complete, MESSAGE_SIZE_MAX_BYTES: 'much' }],
  ])('does not start without a right %s, and says so in one line', async (name, env) => {
    const { exitCode, output } = await runToEnd('apps/command-api/main.js', { env });
    expect(exitCode).toBe(2);
    expect(output.trim().split('\n')).toEqual([expect.stringContaining(name)]);
    expect(output).not.toContain('short');
  });
});
