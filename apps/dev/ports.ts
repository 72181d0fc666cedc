import { createServer } from 'node:net';
import { ConfigError } from '../shared/config/load-config';

const portsTriedMax = 50;

export interface PortChoice {
  readonly port: number;
  /** True when the usual port was taken and this is another one. */
  readonly moved: boolean;
}

/**
 * The port the variable names, else `usual`, else the next free one. A port the user asked for by name is not replaced:
 * throws {@link ConfigError} when it is taken.
 */
export async function choosePort(
  variable: string,
  usual: number,
  env: NodeJS.ProcessEnv,
  host: string,
): Promise<PortChoice> {
  const wanted = env[variable];
  if (wanted !== undefined && wanted !== '') {
    const port = Number(wanted);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new ConfigError(`Configuration: ${variable} is not a port number`);
    }
    // 0 goes through to the process itself: between our look and its bind, another could take the port.
    if (port !== 0 && !(await isFree(port, host)))
      throw new ConfigError(`Configuration: port ${port} (${variable}) is taken`);
    return { port, moved: false };
  }
  for (let port = usual; port < usual + portsTriedMax; port += 1) {
    if (await isFree(port, host)) return { port, moved: port !== usual };
  }
  throw new ConfigError(`Configuration: no free port from ${usual} on; set ${variable}`);
}

async function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, host, () => server.close(() => done(true)));
  });
}
