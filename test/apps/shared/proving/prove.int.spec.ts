import { gateOf, history, ProofSystem } from './proof-system';

let system: ProofSystem;

beforeAll(async () => {
  system = await ProofSystem.start();
  await system.append(history(30));
  await system.caughtUp();
}, 60_000);
afterAll(() => system?.stop(), 20_000);

describe('a proof', () => {
  it('certifies a generation that the projector filled on its own', async () => {
    const { generation } = await system.fill('oltp');
    const certificate = await system.prove('oltp', generation);
    expect(certificate.gates.filter(({ holds }) => holds === false)).toEqual([]);
    expect(gateOf(certificate, 'completeness')).toMatchObject({
      holds: true,
      measured: { countedBy: 'ledger' },
    });
    expect(certificate).toMatchObject({
      holds: true,
      position: String(await system.store.head()),
      left: { generations: [1] },
      right: { generations: [generation] },
    });
  }, 20_000);
});
