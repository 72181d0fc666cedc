import { queryAsSuperuser } from '../support/postgres';
import { mailfold } from './mailfold-process';
import { firstDatabase, SampledSystem, secondDatabase, type RunSeen } from './sampled-system';
import { startSlowProxy } from './slow-proxy';

const quietCanary = ['--canary', '--canary-pause-ms', '50'];
const bothDatabases = ['--databases', `${firstDatabase},${secondDatabase}`];
const toTheEnd = ['--verify', '--cutover', '--retire'];

/** `REPARTITION=full` drives these scopes of a rebuild as well. They take half a minute, of which the suite has none to spare. */
const inFull = process.env['REPARTITION'] === 'full' ? it : it.skip;

/** One system with a second database, read and written to all the time; each test finds it as the one before has left it. */
describe('a tier that is re-partitioned and rebuilt while it is read and written', () => {
  let system: SampledSystem;
  let tenantId: string;

  beforeAll(async () => {
    system = await SampledSystem.start({ seed: 5, events: 1_000 });
    tenantId = system.tenants[0]?.tenantId ?? '';
    system.beginTraffic();
  });
  afterAll(() => system?.stop(), 30_000);

  const leads = (to: string, ...args: string[]): Promise<RunSeen> => system.leads(to, ...args);
  /** How many rows of the tenant the targets of a run hold. */
  const conversationsOfTenant = async ({ generations }: RunSeen): Promise<number[]> =>
    Promise.all(
      generations
        .flatMap(({ targets }) => targets)
        .map(async ({ databaseRef, schema }) => {
          const sql = `select 1 from ${schema}.conversations where tenant_id = '${tenantId}'`;
          return (await queryAsSuperuser(system.env[databaseRef] ?? '', sql)).length;
        }),
    );

  it('spreads it from one shard to four in two databases, takes that back, and does it for good', async () => {
    const filled = await leads(
      'verified',
      ...['repartition', 'run', 'oltp', '--shards', '4', ...bothDatabases, '--source', 'replay', '--verify'],
    );
    const run = String(filled.run);
    expect(placesOf(filled)).toEqual([firstDatabase, secondDatabase, secondDatabase]);
    await leads('serving', 'repartition', 'cutover', run, ...quietCanary);
    await leads('rolled-back', 'repartition', 'rollback', run);
    await leads('verified', 'repartition', 'verify', run);
    await leads('serving', 'repartition', 'cutover', run);
    await leads('done', 'repartition', 'retire', run, '--yes');
  });

  it('moves a tenant to a database of its own', async () => {
    const moved = await leads(
      'done',
      ...['repartition', 'run', 'oltp', '--tenant', tenantId, '--to', secondDatabase, ...toTheEnd],
    );
    expect(placesOf(moved)).toEqual([secondDatabase]);
    expect(await conversationsOfTenant(moved)).toEqual([expect.any(Number)]);
    expect(Math.min(...(await conversationsOfTenant(moved)))).toBeGreaterThan(5);
  });

  it('spreads it from four shards to three by copying rows, beside a tenant that stays where it is', async () => {
    const copied = await leads(
      'done',
      ...['repartition', 'run', 'oltp', '--shards', '3', ...bothDatabases, '--source', 'copy', ...toTheEnd],
    );
    expect(Math.max(...(await conversationsOfTenant(copied)))).toBe(0);
  });

  it('rebuilds the tenant by itself', async () => {
    const tenant = await leads('done', 'rebuild', 'run', 'oltp', '--tenant', tenantId, ...toTheEnd);
    expect(placesOf(tenant)).toEqual([secondDatabase]);
  });

  it('rebuilds some slots', async () => {
    await leads('done', 'rebuild', 'run', 'oltp', '--slots', '1000-2000', ...toTheEnd);
  });

  inFull('rebuilds all of it over the databases it is told', async () => {
    const spread = await leads('done', 'rebuild', 'run', 'oltp', ...bothDatabases, ...toTheEnd);
    expect(placesOf(spread)).toEqual([firstDatabase, secondDatabase]);
    expect(Math.max(...(await conversationsOfTenant(spread)))).toBe(0);
  });

  inFull('goes slower while reads are slow, and faster again, and stops when told to', async () => {
    const proxy = await startSlowProxy(system.env['QUERY_API_URL'] ?? '');
    const bounds: number[] = [];
    let isInterrupted = false;
    proxy.delayMs = 300;
    const args = ['rebuild', 'run', 'oltp', '--governor-p95-ms', '250', '--events-per-second', '200'];
    const interrupted = await mailfold(args, {
      env: { ...system.cliEnvironment, QUERY_API_URL: proxy.url },
      onStderr: (text, kill) => {
        const told = [...text.matchAll(/Governor: slowed to (\d+) events/g)].map(([, bound]) =>
          Number(bound),
        );
        bounds.splice(0, bounds.length, ...told);
        if (told.length > 0) proxy.delayMs = 0;
        // Told twice, it would not end in order.
        if (!isInterrupted && (told.at(-1) ?? 0) > (told[0] ?? Infinity)) {
          isInterrupted = true;
          kill('SIGINT');
        }
      },
    }).finally(() => proxy.close());
    expect(interrupted.exitCode).toBe(130);
    expect(bounds.at(-1)).toBeGreaterThan(bounds[0] ?? Infinity);
    const { records } = await system.mailfold('rebuild', 'status');
    const [{ run = 0, state } = {}] = records;
    expect(state).toBe('stopped');
    await leads('discarded', 'rebuild', 'discard', String(run), '--yes');
  });

  inFull('lets one tenant try a rebuild first, and all others follow', async () => {
    const { run } = await leads('verified', 'rebuild', 'run', 'content', '--verify');
    await leads('partial', 'rebuild', 'cutover', String(run), '--tenant', tenantId);
    await leads('serving', 'rebuild', 'cutover', String(run));
    const pointers = await queryAsSuperuser(
      system.env['CONTROL_DATABASE_URL'] ?? '',
      `select tenant_id, generation from tenant_pointers where tier = 'content'`,
    );
    expect(pointers).toEqual([{ tenant_id: tenantId, generation: null }]);
  });

  it('keeps history by the week', async () => {
    await leads('done', 'repartition', 'run', 'olap', '--history-partitions', 'week', ...toTheEnd);
  });

  it('makes a copy as of a time', async () => {
    const copy = await leads(
      'loaded',
      ...['rebuild', 'run', 'oltp', '--as-of', new Date().toISOString(), '--ttl', '1'],
    );
    expect(copy.meaning).toBe('its copy is full, and stays as it is until its time is over');
  });

  it('was read and written all the while without an error or a step back', async () => {
    const { reads, writes } = await system.endTraffic();
    expect(reads.faults).toEqual([]);
    expect(reads.reads).toBeGreaterThan(50);
    expect(writes.events).toBeGreaterThan(50);
  });
});

/** The databases of what a run has made, sorted. */
function placesOf({ generations }: RunSeen): string[] {
  return generations.flatMap(({ targets }) => targets.map(({ databaseRef }) => databaseRef)).sort();
}
