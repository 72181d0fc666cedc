import { randomBytes } from 'node:crypto';
import { compress, decompress, DecompressionTooLarge } from '../../../../apps/shared/keys/compress';

const megabyte = 1024 * 1024;

describe('compressing', () => {
  it('makes text smaller and gives it back', async () => {
    const text = Buffer.from('the same line again\r\n'.repeat(1_000));
    const compressed = await compress(text);
    expect(compressed.compression).toBe('gzip');
    expect(compressed.bytes.length).toBeLessThan(text.length / 10);
    expect(Buffer.from(await decompress(compressed, text.length))).toEqual(text);
  });

  it.each([
    ['noise', randomBytes(10_000)],
    ['nothing', Buffer.alloc(0)],
  ])('leaves %s as it is', async (_name, bytes) => {
    expect(await compress(bytes)).toEqual({ bytes, compression: 'none' });
    expect(await decompress({ bytes, compression: 'none' }, bytes.length)).toEqual(bytes);
  });

  it('stops at the limit, whatever the input unpacks to', async () => {
    const bomb = await compress(Buffer.alloc(20 * megabyte));
    await expect(decompress(bomb, megabyte)).rejects.toThrow(DecompressionTooLarge);
    await expect(decompress({ bytes: Buffer.alloc(11), compression: 'none' }, 10)).rejects.toThrow(
      DecompressionTooLarge,
    );
  });

  it('reports bytes that are no gzip', async () => {
    await expect(decompress({ bytes: Buffer.from('plain'), compression: 'gzip' }, megabyte)).rejects.toThrow(
      /header/,
    );
  });
});
