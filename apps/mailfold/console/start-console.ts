import 'reflect-metadata';
import { timingSafeEqual, createHash } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { ZodError } from 'zod';
import { loadConfig } from '../../shared/config/load-config';
import { SwitchRefused } from '../../shared/generations/placement';
import type { Authenticator } from '../../shared/http/access';
import { createHttpApplication, listen } from '../../shared/http/http-application';
import { invalidFields, ProblemError } from '../../shared/http/problem';
import type { ProcessContext } from '../../shared/process/run-process';
import { RunOperations } from '../rebuild/operations/run-operations';
import { RunRefused } from '../rebuild/run-states';
import { openWorkplace } from '../rebuild/workplace';
import { BackgroundRuns } from './background-runs';
import { consoleVariables } from './console-config';
import { ConsoleDesk, ConsoleHealthController, RunsController } from './runs.controller';

@Module({})
class ConsoleModule {
  static over(desk: ConsoleDesk): DynamicModule {
    return {
      module: ConsoleModule,
      controllers: [RunsController, ConsoleHealthController],
      providers: [{ provide: ConsoleDesk, useValue: desk }],
    };
  }
}

/** The console: rebuilds and re-partitions over HTTP, for the operator. Runs that it fills are stopped in order with it. */
export async function startConsole(context: ProcessContext): Promise<{ port: number }> {
  const { log } = context;
  const config = loadConfig(consoleVariables);
  const workplace = openWorkplace({ onEnd: (close) => context.onShutdown(close) });
  const operations = new RunOperations(workplace);
  const background = new BackgroundRuns(operations, log);
  context.onShutdown(() => background.stop());
  const app = await createHttpApplication({
    module: ConsoleModule.over(new ConsoleDesk(workplace, operations, background)),
    log,
    authenticator: operatorOnly(config.MAILFOLD_ADMIN_KEY),
    translate: consoleProblem,
    description: {
      title: 'Mailfold console',
      description: 'Rebuilds and re-partitions of the read models, as `mailfold rebuild` has them.',
    },
  });
  context.onShutdown(() => app.close());
  return { port: await listen(app, config.HOST, config.CONSOLE_PORT) };
}

/** No tenant has business here. */
function operatorOnly(key: string): Authenticator {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(key);
  return {
    tenantOf: async () => null,
    isOperator: (token) => timingSafeEqual(digest(token), expected),
  };
}

function consoleProblem(error: unknown): ProblemError | null {
  if (error instanceof RunRefused)
    return error.run === null && error.message.startsWith('there is no run')
      ? new ProblemError('not-found', error.message)
      : new ProblemError('state-conflict', error.message, { next: error.next });
  if (error instanceof SwitchRefused) return new ProblemError('state-conflict', error.message);
  if (error instanceof ZodError)
    return invalidFields(
      error.issues.map(({ path, message }) => ({ field: path.join('.') || 'body', detail: message })),
    );
  return null;
}
