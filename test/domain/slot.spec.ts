import { slotCount, slotOf } from '../../domain/slot';

// Rows, lanes and shards are stored by slot: another function would look for them elsewhere.
it('gives each entity the slot it has always had', () => {
  const tenantId = '018f2b7c-0000-7000-8000-000000000001';
  expect(slotOf(tenantId, '018f2b7c-0000-7000-8000-00000000000a')).toBe(2468);
  expect(slotOf('ffffffff-ffff-4fff-bfff-ffffffffffff', '00000000-0000-4000-8000-000000000000')).toBe(2121);
  expect(slotOf('t', 'e')).toBe(1085);
});

it('spreads entities over all slots', () => {
  const slots = new Set(Array.from({ length: 20 * slotCount }, (_, n) => slotOf('tenant', `entity ${n}`)));
  expect(slots.size).toBe(slotCount);
});
