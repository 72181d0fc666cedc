import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SupervisedProcess, type ProcessSpecification } from './supervised-process';

/** Keeps processes running that were started in groups, and ends them group by group in reverse. */
export class Supervisor {
  private readonly groups: { readonly processes: SupervisedProcess[]; readonly stopTimeoutMs: number }[] = [];
  private stopped = false;

  constructor(
    private readonly logDirectory: string,
    private readonly report: (line: string) => void,
  ) {
    mkdirSync(logDirectory, { recursive: true });
  }

  /**
   * Starts a group side by side; resolves to the ports by name when all of it serves, throws when one does not start.
   * `stopTimeoutMs` bounds the end of the group; what takes longer is killed.
   */
  async start(
    specifications: readonly Omit<ProcessSpecification, 'logPath'>[],
    { stopTimeoutMs }: { stopTimeoutMs: number },
  ): Promise<Readonly<Record<string, number | undefined>>> {
    // Whoever starts one group after the other may be at it still when all of them were stopped.
    if (this.stopped) throw new Error('Stopped while starting');
    const processes = specifications.map(
      (specification) =>
        new SupervisedProcess(
          { ...specification, logPath: join(this.logDirectory, `${specification.name}.log`) },
          this.report,
        ),
    );
    this.groups.push({ processes, stopTimeoutMs });
    const ports = await Promise.all(processes.map(async (each) => [each.name, await each.start()] as const));
    return Object.fromEntries(ports);
  }

  /** Of those that run at this moment. */
  pids(): Record<string, number> {
    return Object.fromEntries(
      this.groups
        .flatMap(({ processes }) => processes)
        .flatMap((each) => (each.pid === null ? [] : [[each.name, each.pid] as const])),
    );
  }

  /** Nothing of it runs afterwards, and nothing can be started. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (let group = this.groups.pop(); group !== undefined; group = this.groups.pop()) {
      const { processes, stopTimeoutMs } = group;
      await Promise.all(processes.map((each) => each.stop(stopTimeoutMs)));
    }
  }
}
