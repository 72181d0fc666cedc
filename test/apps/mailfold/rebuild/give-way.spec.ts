import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const built = join(__dirname, '../../../../dist/apps/mailfold/rebuild/give-way.js');

/** In a process of its own: nobody gets back what has been given away. Resolves to the nice values of its threads. */
function nicenessAfter(...asked: readonly number[]): number[] {
  const script = `
    const { readdirSync } = require('node:fs');
    const { getPriority } = require('node:os');
    const { Worker } = require('node:worker_threads');
    const { giveWay } = require(${JSON.stringify(built)});
    for (const niceness of ${JSON.stringify(asked)}) giveWay(niceness);
    const worker = new Worker('setTimeout(() => {}, 60_000)', { eval: true });
    worker.once('online', () => {
      const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [process.pid];
      console.log(JSON.stringify(threads.map((thread) => getPriority(thread))));
      process.exit();
    });`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })) as number[];
}

test('every thread of the process gives way, and those it makes afterwards', () => {
  const niceness = nicenessAfter(10);
  expect(niceness.length).toBeGreaterThan(0);
  expect(new Set(niceness)).toEqual(new Set([10]));
});

test('who gives way already is not moved ahead', () => {
  expect(new Set(nicenessAfter(15, 10))).toEqual(new Set([15]));
});
