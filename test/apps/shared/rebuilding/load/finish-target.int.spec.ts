import { divided, allSlots, covers, type Coverage } from '../../../../../apps/shared/generations/coverage';
import { addDigests, digestOf, emptyDigest } from '../../../../../apps/shared/log-ledger/id-digest';
import { foldEvent, type ReadableEvent } from '../../../../../apps/shared/projecting/fold-event';
import type { LaneTally } from '../../../../../apps/shared/rebuilding/contracts';
import {
  finishTarget,
  lanesOf,
  type LaneStates,
} from '../../../../../apps/shared/rebuilding/load/finish-target';
import { oltpTier } from '../../../../../projections/oltp';
import { queryAsSuperuser } from '../../../../support/postgres';
import { RecordedLog } from '../../../../support/recorded-log';
import { projectLive, startLoadedDatabase, type LoadedDatabase } from './loaded-schema';

let database: LoadedDatabase;

beforeAll(async () => {
  database = await startLoadedDatabase();
});
afterAll(() => database.stop());

/** Ten mails, of which the third one's conversation cannot be read from its last event on. */
function events(): ReadableEvent[] {
  const log = new RecordedLog();
  for (let i = 0; i < 10; i++) log.mail(`mail ${i}`);
  log.resolve('mail 3').read('mail 3', 'ana', 1).assign('mail 4', 'ana');
  return log.events.map((event) => {
    if (event.type !== 'ConversationStatusChanged') return event;
    const { id, streamName, type, revision, position } = event;
    return { id, streamName, type, revision, position, undecodable: true, reason: 'its data is no JSON \0' };
  });
}

function tallyOf(coverage: Coverage): LaneTally {
  const ours = events().filter((event) => covers(coverage, foldEvent(oltpTier, event)!.sequence));
  const digest = ours.reduce((sum, { id }) => addDigests(sum, digestOf(id)), emptyDigest);
  return { coverage, events: ours.length, digest };
}

/** What the scan hands over for the events above. */
function states(coverages: readonly Coverage[]): LaneStates {
  const folded = events().map((event) => foldEvent(oltpTier, event)!);
  const poison = folded.find((event) => event.poison !== null)!;
  const behind = folded.filter(
    ({ sequence, position }) =>
      sequence.sequenceId === poison.sequence.sequenceId && position >= poison.position,
  );
  const last = folded.at(-1)!;
  return {
    checkpoint: { position: last.position, eventId: last.id },
    tallies: coverages.map(tallyOf),
    stopped: [{ ...poison.sequence, position: poison.position }],
    parked: behind.map(({ id, type, position, sequence, poison: reason }) => ({
      ...{ ...sequence, position, eventId: id, eventType: type },
      reason: reason ?? 'an earlier event of its sequence is parked',
    })),
  };
}

async function laneRows(schema: string): Promise<unknown[]> {
  return queryAsSuperuser(
    database.url,
    `select lane, commit_position, prepare_position, event_id, events, parked_sequences, id_digest_hi, id_digest_lo
     from ${schema}.checkpoints order by lane`,
  );
}

async function parkedRows(schema: string): Promise<unknown[]> {
  return queryAsSuperuser(
    database.url,
    `select tenant_id, slot, sequence_id, position, event_id, event_type, reason from ${schema}.parked_sequences order by position`,
  );
}

async function stoppedRows(schema: string): Promise<unknown[]> {
  return queryAsSuperuser(database.url, `select * from ${schema}.stopped_sequences`);
}

describe('the lanes of a finished target', () => {
  it.each([1, 3])('stand, %d of them, as if they had read the log themselves', async (lanes) => {
    const [live, loaded] = [
      await database.newSchema(oltpTier, allSlots, lanes),
      await database.newSchema(oltpTier, allSlots, lanes),
    ];
    await projectLive(database, live, oltpTier, events());
    const coverages = (await lanesOf(database.owner, loaded)).map(({ coverage }) => coverage);
    await finishTarget(database.owner, loaded, states(coverages));
    // Once: a second call of a run that goes on changes nothing.
    await finishTarget(database.owner, loaded, states(coverages));
    expect(await laneRows(loaded)).toEqual(await laneRows(live));
    expect(await parkedRows(loaded)).toEqual(await parkedRows(live));
    expect(await parkedRows(loaded)).toHaveLength(2);
    expect(await stoppedRows(loaded)).toEqual(await stoppedRows(live));
  });

  it('are left where they are when the log is empty', async () => {
    const schema = await database.newSchema(oltpTier);
    const tallies = [
      { coverage: (await lanesOf(database.owner, schema))[0]!.coverage, events: 0, digest: emptyDigest },
    ];
    await finishTarget(database.owner, schema, { checkpoint: null, tallies, stopped: [], parked: [] });
    expect(await laneRows(schema)).toMatchObject([{ commit_position: null, event_id: null, events: '0' }]);
  });

  it('must each have been counted, and must not have begun to write', async () => {
    const schema = await database.newSchema(oltpTier, allSlots, 2);
    const halves = divided(allSlots, 2).map((slots) => ({ slots, tenantId: null, except: [] }));
    await expect(finishTarget(database.owner, schema, states(halves.slice(0, 1)))).rejects.toThrow(
      /Nothing was counted for lane 1/,
    );
    await projectLive(database, schema, oltpTier, events().slice(0, 3));
    await expect(finishTarget(database.owner, schema, states(halves))).rejects.toThrow(/has begun to write/);
  });
});
