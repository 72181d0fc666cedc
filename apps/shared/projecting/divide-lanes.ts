import type { ClientBase } from 'pg';
import { divided, type SlotRange } from '../generations/coverage';
import { inTransaction } from '../postgres/transaction';
import { raiseBarrier, type BarrierOptions, type HeldTarget } from './barrier';

interface Summed {
  readonly lanes: number;
  readonly positions: number;
  readonly coverages: number;
  readonly width: number;
  readonly slot_from: number;
  readonly slot_to: number;
  readonly epoch: string;
}

/**
 * Makes `count` lanes of those of a target, more or fewer, at one position of the log, while projectors run: they lose the
 * lanes they hold and take up the new ones. Nothing is read twice or left out. What the lanes have counted cannot be told
 * apart by slots any more: the first lane keeps the sum, so that the sum over all stays what it was. A sequence that one
 * lane had stopped is stopped in all of them.
 * Throws BarrierTimeout when no projector runs, and an error when the lanes hold different tenants or leave a gap.
 */
export async function divideLanes(target: HeldTarget, count: number, options: BarrierOptions): Promise<void> {
  const barrier = await raiseBarrier([target], options);
  try {
    await inTransaction(target.pool, (client) => replaceLanes(client, target.schema, count));
  } finally {
    await barrier.release();
  }
}

async function replaceLanes(client: ClientBase, schema: string, count: number): Promise<void> {
  await client.query(`select 1 from ${schema}.checkpoints for update`);
  const { rows } = await client.query<Summed>(
    `select count(*)::int as lanes, count(distinct coalesce(commit_position, 0))::int as positions,
            count(distinct (only_tenant, except_tenants))::int as coverages, sum(slot_to - slot_from + 1)::int as width,
            min(slot_from)::int as slot_from, max(slot_to)::int as slot_to, (max(epoch) + 1)::text as epoch
     from ${schema}.checkpoints`,
  );
  const [summed] = rows;
  if (summed === undefined || summed.lanes === 0) throw new Error(`${schema} has no lanes`);
  const slots: SlotRange = { from: summed.slot_from, to: summed.slot_to };
  if (summed.positions > 1) throw new Error(`the lanes of ${schema} have gone on before they were divided`);
  if (summed.coverages > 1 || summed.width !== slots.to - slots.from + 1)
    throw new Error(
      `the lanes of ${schema} hold different tenants, or leave a gap: they cannot be divided anew`,
    );
  if (count < 1 || count > summed.width)
    throw new Error(`${summed.width} slots cannot be divided by ${count}`);
  const ranges = divided(slots, count);
  await client.query(
    `with old as (delete from ${schema}.checkpoints returning *),
          total as (
            select sum(events) as events, sum(parked_sequences) as parked,
                   sum(id_digest_hi) % 18446744073709551616 as hi, sum(id_digest_lo) % 18446744073709551616 as lo,
                   bool_and(is_summed) as summed from old),
          one as (select * from old order by lane limit 1)
     insert into ${schema}.checkpoints
       (lane, slot_from, slot_to, only_tenant, except_tenants, commit_position, prepare_position, event_id, epoch,
        events, parked_sequences, id_digest_hi, id_digest_lo, is_summed)
     select -n, f, t, only_tenant, except_tenants, commit_position, prepare_position, event_id, $3,
            case n when 1 then total.events else 0 end, case n when 1 then parked else 0 end,
            case n when 1 then hi else 0 end, case n when 1 then lo else 0 end, summed
     from unnest($1::smallint[], $2::smallint[]) with ordinality as ranges (f, t, n), one, total`,
    [ranges.map(({ from }) => from), ranges.map(({ to }) => to), summed.epoch],
  );
  // Deleted and inserted in one statement, a lane would meet its own old number.
  await client.query(`update ${schema}.checkpoints set lane = -lane - 1`);
  await client.query(
    `with own as (delete from ${schema}.stopped_sequences where lane >= 0 returning *)
     insert into ${schema}.stopped_sequences as s (tenant_id, sequence_id, position)
     select tenant_id, sequence_id, min(position) from own group by tenant_id, sequence_id
     on conflict (tenant_id, sequence_id, lane) do update set position = least(s.position, excluded.position)`,
  );
}
