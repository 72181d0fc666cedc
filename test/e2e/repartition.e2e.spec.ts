import { firstDatabase, SampledSystem, secondDatabase, type RunSeen } from './sampled-system';

const quietCanary = ['--canary', '--canary-pause-ms', '50'];
const bothDatabases = ['--databases', `${firstDatabase},${secondDatabase}`];

/** One system with a second database, read and written to all the time; each test finds it as the one before has left it. */
describe('a tier that is re-partitioned while it is read and written', () => {
  let system: SampledSystem;
  let tenantId: string;

  beforeAll(async () => {
    system = await SampledSystem.start({ seed: 5, events: 1_500 });
    tenantId = system.tenants[0]?.tenantId ?? '';
    system.beginTraffic();
  });
  afterAll(() => system?.stop(), 30_000);

  const leads = (to: string, ...args: string[]): Promise<RunSeen> => system.leads(to, ...args);

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

  it('spreads it from four shards to three by copying rows', async () => {
    await leads(
      'done',
      ...['repartition', 'run', 'oltp', '--shards', '3', ...bothDatabases, '--source', 'copy'],
      ...['--verify', '--cutover', '--retire'],
    );
  });

  it('moves a tenant to a database of its own', async () => {
    const moved = await leads(
      'done',
      ...['repartition', 'run', 'oltp', '--tenant', tenantId, '--to', secondDatabase],
      ...['--verify', '--cutover', '--retire'],
    );
    expect(placesOf(moved)).toEqual([secondDatabase]);
  });

  it('keeps history by the week', async () => {
    await leads(
      'done',
      ...['repartition', 'run', 'olap', '--history-partitions', 'week', '--verify', '--cutover', '--retire'],
    );
  });

  it('makes a copy as of a position and as of a time', async () => {
    await leads('loaded', 'rebuild', 'run', 'oltp', '--as-of', system.middle, '--ttl', '1');
    await leads('loaded', 'rebuild', 'run', 'oltp', '--as-of', new Date().toISOString(), '--ttl', '1');
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
