import { startTestNode, type TestNode } from '../../support/event-store-node';
import { embeddedServersVariable, serverUrlVariable } from './server-variables';

declare global {
  // Jest hands nothing else from set-up to tear-down.
  var conformanceNodes: TestNode[] | undefined;
}

/** Starts embedded nodes, plain and secure, as the specs' servers, unless another server is asked for. */
export default async function startServers(): Promise<void> {
  if (process.env[serverUrlVariable] !== undefined) return;
  const starting = [startTestNode(), startTestNode({ secure: true })] as const;
  const started = await Promise.allSettled(starting);
  globalThis.conformanceNodes = started.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value] : [],
  );
  const [plain, secure] = await Promise.all(starting);
  process.env[embeddedServersVariable] = JSON.stringify([
    { name: 'embedded node, plain', url: plain.url(), isOurs: true },
    { name: 'embedded node, TLS', url: secure.url(), isOurs: true },
  ]);
}
