const bytesPerMegabyte = 1_000_000;

/** `12.3 MB`; below one tenth in bytes. */
export function megabytes(bytes: number): string {
  if (bytes < bytesPerMegabyte / 10) return `${bytes.toLocaleString('en-US')} bytes`;
  return `${(bytes / bytesPerMegabyte).toLocaleString('en-US', { maximumFractionDigits: 1 })} MB`;
}
