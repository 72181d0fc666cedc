import { DurableLog } from '../../../apps/event-store-node/log/durable-log';
import type { LogRow } from '../../../apps/event-store-node/log/log-row';

const mebibyte = 1024 * 1024;
const frames = Buffer.alloc(mebibyte);

/** Two events each, at positions 1 and 2, 3 and 4, … */
function row(index: number): LogRow {
  return { position: 1 + 2 * index, streamName: 's', revision: 2 * index, count: 2, frames };
}

function logOf(rowCount: number): DurableLog {
  const log = new DurableLog(0);
  for (let index = 0; index < rowCount; index++) log.advance([row(index)]);
  return log;
}

const positions = (rows: readonly LogRow[] | undefined): number[] | undefined =>
  rows?.map(({ position }) => position);

describe('the end of the log in memory', () => {
  it('hands out rows from the one that holds the position', () => {
    const log = logOf(4);
    expect(positions(log.recentRows(1))).toEqual([1, 3, 5, 7]);
    expect(positions(log.recentRows(6))).toEqual([5, 7]);
    expect(positions(log.recentRows(8))).toEqual([7]);
    expect(log.recentRows(9)).toEqual([]);
  });

  it.each([16, 17, 18, 19, 20, 21, 40, 41, 100])(
    'keeps 16 MiB of %i, and knows where they begin',
    (rowCount) => {
      const log = logOf(rowCount);
      const oldest = row(rowCount - 16).position;
      expect(positions(log.recentRows(oldest))).toEqual(
        Array.from({ length: 16 }, (_, index) => oldest + 2 * index),
      );
      expect(log.recentRows(oldest - 1)).toBeUndefined();
      expect(positions(log.recentRows(log.position))).toEqual([log.position - 1]);
    },
  );

  it('keeps the last row, however large', () => {
    const log = new DurableLog(0);
    log.advance([{ ...row(0), frames: Buffer.alloc(17 * mebibyte) }]);
    expect(positions(log.recentRows(1))).toEqual([1]);
    log.advance([{ ...row(1), frames: Buffer.alloc(17 * mebibyte) }]);
    expect(log.recentRows(1)).toBeUndefined();
    expect(positions(log.recentRows(3))).toEqual([3]);
  });

  it('holds nothing after a reset', () => {
    const log = logOf(20);
    log.resetTo(50);
    expect(log.recentRows(39)).toBeUndefined();
    log.advance([{ ...row(0), position: 51 }]);
    expect(positions(log.recentRows(51))).toEqual([51]);
  });
});
