import { InvalidArgumentError, type Command } from 'commander';
import { runCommand, type CommandContext, type GlobalOptions } from './command-run';

/** Gives an action its frame, and its command's options together with the global ones. */
export function framed<Args extends unknown[]>(
  action: (context: CommandContext, ...args: Args) => Promise<number | void>,
): (...args: [...Args, Command]) => Promise<void> {
  return (...args) => {
    const command = args.at(-1) as Command;
    return runCommand(command.optsWithGlobals<GlobalOptions>(), (context) =>
      action(context, ...(args.slice(0, -1) as unknown as Args)),
    );
  };
}

/** Parses an option: a whole number within bounds, both included. */
export function countBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (!Number.isInteger(count) || count < min || count > max)
      throw new InvalidArgumentError(`It takes a number from ${min} to ${max}.`);
    return count;
  };
}

export function position(text: string): bigint {
  if (!/^\d{1,20}$/.test(text))
    throw new InvalidArgumentError('It takes a position of the log, such as 4711.');
  return BigInt(text);
}

export function twoGenerations(text: string): readonly [number, number] {
  const [, first, second] = /^(\d{1,6}),(\d{1,6})$/.exec(text) ?? [];
  if (first === undefined || second === undefined || first === second)
    throw new InvalidArgumentError('It takes two numbers such as 1,2.');
  return [Number(first), Number(second)];
}

/** `7` or `0-1023`, both ends included. */
export function slots(text: string): { readonly from: number; readonly to: number } {
  const [, from, to = from] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(text) ?? [];
  if (from === undefined || Number(to) < Number(from) || Number(to) > 4_095)
    throw new InvalidArgumentError('It takes slots from 0 to 4095, such as 7 or 0-1023.');
  return { from: Number(from), to: Number(to) };
}

export function list(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

/** Of an option whose value is one of a few words. */
export function oneOf<Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word === undefined) throw new InvalidArgumentError(`It takes ${words.join(' or ')}.`);
    return word;
  };
}
