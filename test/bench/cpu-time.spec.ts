import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cpuSeconds, machineTime } from '../../bench/harness/cpu-time';

const burnMs = 300;
const burn = `
  const spent = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
  while (spent() < ${burnMs});
`;

// Where there is no /proc the bench prints no CPU time.
(existsSync('/proc/self/stat') ? describe : describe.skip)('CPU time', () => {
  it('counts what a process has burnt, and its children only when asked to', async () => {
    const script = `${burn}; process.send('burnt'); process.on('message', () => undefined)`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    try {
      await once(child, 'message');
      const { pid } = process;
      const seconds = await cpuSeconds([
        { name: 'child', pid: child.pid ?? 0 },
        { name: 'alone', pid },
        { name: 'family', pid, withChildren: true },
      ]);
      const [ofChild = 0, alone = 0, family = 0] = ['child', 'alone', 'family'].map((name) =>
        seconds.get(name),
      );
      // Ticks of 10 ms.
      expect(ofChild).toBeGreaterThanOrEqual(burnMs / 1_000 - 0.02);
      expect(family).toBeGreaterThanOrEqual(alone + ofChild - 0.02);
    } finally {
      child.kill();
    }
  });

  it('of the machine includes what any process has burnt', async () => {
    const before = await machineTime();
    const child = spawn(process.execPath, ['-e', burn]);
    await once(child, 'close');
    const after = await machineTime();
    expect(after.busySeconds - before.busySeconds).toBeGreaterThanOrEqual(burnMs / 1_000 - 0.02);
    expect(after.totalSeconds - before.totalSeconds).toBeGreaterThanOrEqual(
      after.busySeconds - before.busySeconds,
    );
  });

  it('leaves out a process that is not there', async () => {
    expect(await cpuSeconds([{ name: 'gone', pid: 2 ** 22 + 1 }])).toEqual(new Map());
  });
});
