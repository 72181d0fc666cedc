import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { clusterDirectory, removeDataDirectory } from '../../apps/shared/embedded/directories';
import { startEmbeddedPostgres } from '../../apps/shared/embedded/embedded-postgres';
import { locatePostgres } from '../../apps/shared/embedded/postgres-binaries';

/** Names the data directory of the template to the workers. */
const templateVariable = 'MAILFOLD_TEST_CLUSTER_TEMPLATE';

/** Makes one empty cluster for all test files of a run to copy: that takes a fraction of what `initdb` does. */
export async function createClusterTemplate(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'mf-template-'));
  process.env[templateVariable] = dataDir;
  const server = await startEmbeddedPostgres({ dataDir, databases: [] });
  // In order, with its checkpoint: a copy must not begin with a recovery.
  await server.stop();
}

export async function removeClusterTemplate(): Promise<void> {
  const dataDir = process.env[templateVariable];
  if (dataDir !== undefined) await removeDataDirectory(dataDir);
}

/** What a process needs to start servers of its own by {@link copyClusterTemplate}. */
export function clusterTemplateEnvironment(): Record<string, string> {
  const template = process.env[templateVariable];
  return template === undefined ? {} : { [templateVariable]: template };
}

/** Puts the cluster into `dataDir`, where none is yet. Outside of Jest there is no template, and it is made as usual. */
export async function copyClusterTemplate(dataDir: string): Promise<void> {
  const template = process.env[templateVariable];
  if (template === undefined) return;
  const { account } = await locatePostgres();
  const [from, to] = [await clusterDirectory(template, account), await clusterDirectory(dataDir, account)];
  // With its owner and its modes, which PostgreSQL demands.
  await promisify(execFile)('cp', ['-a', from, to]);
}
