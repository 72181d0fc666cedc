import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wholeTier } from '../../../../apps/shared/generations/coverage';
import { readPlacement } from '../../../../apps/shared/generations/placement';
import { verifyCertificate, type CertificateFile } from '../../../../apps/shared/proving/certificate';
import { provesShadowReads, type ShadowReadsOptions } from '../../../../apps/shared/proving/shadow-reads';
import { ProvedDatabases } from '../../../../apps/shared/proving/snapshots';
import { oltpTier } from '../../../../projections/oltp';
import { runToEnd } from '../../../support/processes';
import { idOf } from '../../../support/recorded-log';
import { gateOf, history, ProofSystem } from './proof-system';

const oltp = 'OLTP_DATABASE_URL';
const { signal } = new AbortController();
let system: ProofSystem;
let shadowReads: ShadowReadsOptions;

beforeAll(async () => {
  system = await ProofSystem.start();
  await system.append(history(20));
  await system.caughtUp();
  shadowReads = { ...(await system.startQueryApi()), requests: 40 };
}, 60_000);
afterAll(() => system?.stop(), 20_000);

describe('reads of both sides through a query API', () => {
  it('answer alike where the rows do, also while the log grows', async () => {
    const { generation } = await system.fill('oltp');
    const growing = system.append(history(6, 'while it is read'));
    const gate = gateOf(await system.prove('oltp', generation, { shadowReads }), 'shadow-reads');
    await growing;
    expect(gate).toMatchObject({ holds: true, measured: { requests: 40, wrong: 0 }, detail: [] });
    expect(gate.measured['unsettled']).toBeLessThan(40);
    await system.caughtUp();
  }, 60_000);

  it('name the requests whose answers differ', async () => {
    const { generation } = await system.fill('oltp');
    const id = idOf('mail 1');
    await system.query(
      oltp,
      `update g${generation}.conversations set subject = 'planted' where id = '${id}'`,
    );
    const certificate = await system.prove('oltp', generation, {
      shadowReads: { ...shadowReads, requests: 500 },
    });
    const gate = gateOf(certificate, 'shadow-reads');
    expect(gate.holds).toBe(false);
    expect(gate.detail).toContain(`/v1/conversations/${id}: the answers differ`);
    // One conversation and the lists that show it; nothing else is accused.
    expect(gate.detail.filter((line) => !line.startsWith('/v1/conversations'))).toEqual([]);
  }, 60_000);

  it('prove nothing where the query API has no answer yet', async () => {
    const databases = new ProvedDatabases(system.urls, 1);
    const snapshot = await databases.prepared(oltp);
    await snapshot.take();
    const [target] = (await readPlacement(system.control, 'oltp')).targets.filter(
      ({ schema }) => schema === 'g2',
    );
    if (target === undefined) throw new Error('no generation 2');
    const gate = await provesShadowReads(
      {
        ...{ tier: oltpTier, left: 'serving', right: { generation: 2 }, seed: 1, signal },
        ...{ position: ((await system.store.head()) ?? 0n) + 1_000_000n, isDifferenceExpected: false },
        rightParts: [{ snapshot, schema: 'g2', coverage: wholeTier, target }],
      },
      { ...shadowReads, requests: 4 },
    ).finally(() => databases.close());
    expect(gate).toMatchObject({ holds: false, measured: { requests: 4, wrong: 0, unsettled: 4 } });
  }, 30_000);

  it('end at the first request that fails, with its error', async () => {
    const nobody = { ...shadowReads, queryApiUrl: 'http://127.0.0.1:9' };
    await expect(system.prove('oltp', 2, { shadowReads: nobody })).rejects.toThrow('fetch failed');
  });
});

describe('mailfold verify --certificate', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'mf-certificate-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('writes a certificate with the digests of every slot, which is genuine until a byte of it is changed', async () => {
    const path = join(folder, 'certificate.json');
    const { exitCode, output } = await runToEnd('apps/mailfold/main.js', {
      args: ['--json', 'verify', 'oltp', '--generations', '1,2', '--certificate', path],
      env: {
        ...system.environment,
        ...{ QUERY_API_URL: shadowReads.queryApiUrl, MAILFOLD_ADMIN_KEY: shadowReads.adminKey },
      },
    });
    expect({ exitCode, output }).toMatchObject({ exitCode: 0 });
    const file = JSON.parse(readFileSync(path, 'utf8')) as CertificateFile;
    expect(file).toMatchObject({ holds: true, left: { generations: [1] }, right: { generations: [2] } });
    expect(Object.keys(file.slots).sort()).toEqual(file.tables.map(({ table }) => table).sort());
    const demands = {
      ...{ tier: 'oltp' as const, generations: [2], codeVersion: file.codeVersion, rootKey: system.rootKey },
      now: new Date(),
    };
    expect(() => verifyCertificate(file, demands)).not.toThrow();
    expect(() => verifyCertificate({ ...file, position: `${file.position}0` }, demands)).toThrow(
      'changed after it was signed',
    );
  }, 30_000);
});
