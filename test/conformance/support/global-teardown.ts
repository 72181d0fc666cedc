/** Stops what the set-up has started. */
export default async function stopServers(): Promise<void> {
  await Promise.all((globalThis.conformanceNodes ?? []).map((node) => node.stop()));
}
