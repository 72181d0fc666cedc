/** Results go to stdout, everything about the run to stderr, so that `--json | jq` and pipes stay clean. */
export interface Output {
  readonly json: boolean;
  /** A line for people; nothing with --json. */
  line(text?: string): void;
  /** One JSON document on a line of its own; nothing without --json. */
  record(value: object): void;
  notice(text: string): void;
  error(text: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    line: (text = '') => void (json || process.stdout.write(`${text}\n`)),
    record: (value) => void (json && process.stdout.write(`${JSON.stringify(value, plainValue)}\n`)),
    notice: (text) => void process.stderr.write(`${text}\n`),
    error: (text) => void process.stderr.write(`mailfold: ${text}\n`),
  };
}

/** A position does not fit a JSON number, hence a string, as in the X-Log-Position field. */
function plainValue(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** Columns padded to their widest cell; numbers to the right. */
export function table(rows: readonly (readonly (string | number | bigint)[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, shown(cell).length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return typeof cell === 'string' ? cell.padEnd(width) : shown(cell).padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
}

function shown(cell: string | number | bigint): string {
  return typeof cell === 'number' ? groupedDigits(cell) : String(cell);
}

export function groupedDigits(count: number): string {
  return count.toLocaleString('en-US');
}

export function plural(count: number, noun: string): string {
  return `${groupedDigits(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `3 s`, `4 min 5 s`, `2 h 3 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}
