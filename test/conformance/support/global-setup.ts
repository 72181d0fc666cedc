import { startTestNode, type TestNode } from '../../support/event-store-node';
import { embeddedServersVariable, serverUrlVariable } from './server-variables';

declare global {
  // Jest hands nothing else from set-up to tear-down.
  var conformanceNodes: TestNode[] | undefined;
}

/** Starts the embedded node as the specs' server, unless another one is asked for. */
export default async function startServers(): Promise<void> {
  if (process.env[serverUrlVariable] !== undefined) return;
  const plain = await startTestNode();
  globalThis.conformanceNodes = [plain];
  process.env[embeddedServersVariable] = JSON.stringify([
    { name: 'embedded node, plain', url: `esdb://127.0.0.1:${plain.port()}?tls=false`, isOurs: true },
  ]);
}
