/** Milliseconds of CPU that the work takes in this process. The wall clock would also measure what else the machine does. */
export async function cpuTimeMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
