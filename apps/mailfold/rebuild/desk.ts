import { ZodError } from 'zod';
import { CommandFailure, exitCodes, type CommandContext } from '../command-run';
import { RunOperations } from './operations/run-operations';
import { commandLine, RunRefused } from './run-states';
import { openWorkplace, type Workplace } from './workplace';

/** Where the commands of `mailfold rebuild` and `mailfold repartition` do their work. */
export interface Desk {
  readonly operations: RunOperations;
  readonly workplace: Workplace;
}

/** What the operations refuse is told in one line with what to do instead; a task that cannot be is a usage error. */
export async function atDesk(
  context: CommandContext,
  work: (desk: Desk) => Promise<number | void>,
): Promise<number | void> {
  const workplace = openWorkplace(context);
  try {
    return await work({ operations: new RunOperations(workplace), workplace });
  } catch (error) {
    if (error instanceof RunRefused) throw new CommandFailure(refusal(error));
    if (error instanceof ZodError)
      throw new CommandFailure(error.issues.map(faultOf).join('; '), exitCodes.usage);
    throw error;
  }
}

function faultOf({ path, message }: ZodError['issues'][number]): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}

function refusal({ message, run, next }: RunRefused): string {
  const commands = next.map((command) => commandLine('rebuild', command, run));
  return commands.length === 0 ? message : `${message}; next: ${commands.join(' or ')}`;
}
