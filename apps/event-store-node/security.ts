import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ConfigError } from '../shared/config/load-config';
import type { nodeVariables } from './config';
import type { Credentials } from './grpc/credentials';

/** What makes a node secure. There is no half of it: see {@link loadSecurity}. */
export interface NodeSecurity {
  /** PEM; the certificate may be followed by its chain. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer };
  readonly credentials: Credentials;
}

type NodeConfig = z.infer<typeof nodeVariables>;

/**
 * Reads certificate, key and password; `undefined` where none is configured. TLS without a password would be an encrypted
 * door that is open to all, and a password without TLS would travel in the clear, so a part alone is refused, as is
 * whatever cannot be read or does not fit together. Throws {@link ConfigError} with one line that shows no value.
 */
export async function loadSecurity(config: NodeConfig): Promise<NodeSecurity | undefined> {
  const {
    EVENT_STORE_NODE_TLS_CERTIFICATE_FILE: certificateFile,
    EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE: privateKeyFile,
  } = config;
  const password = await readPassword(config);
  if (certificateFile === undefined && privateKeyFile === undefined && password === undefined)
    return undefined;
  if (certificateFile === undefined || privateKeyFile === undefined || password === undefined)
    throw new ConfigError(
      'Configuration: a secure node needs EVENT_STORE_NODE_TLS_CERTIFICATE_FILE, EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE and ' +
        'EVENT_STORE_NODE_PASSWORD or EVENT_STORE_NODE_PASSWORD_FILE; not all are set',
    );
  const cert = await readVariableFile('EVENT_STORE_NODE_TLS_CERTIFICATE_FILE', certificateFile);
  const key = await readVariableFile('EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE', privateKeyFile);
  checkPair(cert, key);
  return { tls: { cert, key }, credentials: { user: config.EVENT_STORE_NODE_USER, password } };
}

async function readPassword(config: NodeConfig): Promise<string | undefined> {
  const { EVENT_STORE_NODE_PASSWORD: password, EVENT_STORE_NODE_PASSWORD_FILE: file } = config;
  if (file === undefined) return password;
  if (password !== undefined)
    throw new ConfigError(
      'Configuration: EVENT_STORE_NODE_PASSWORD and EVENT_STORE_NODE_PASSWORD_FILE are both set',
    );
  const text = (await readVariableFile('EVENT_STORE_NODE_PASSWORD_FILE', file)).toString();
  // Editors and `echo` end the last line; a password does not.
  const read = text.replace(/\r?\n$/, '');
  if (read === '')
    throw new ConfigError('Configuration: the file of EVENT_STORE_NODE_PASSWORD_FILE is empty');
  return read;
}

async function readVariableFile(variable: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new ConfigError(`Configuration: the file of ${variable} cannot be read (${code})`);
  }
}

function checkPair(cert: Buffer, key: Buffer): void {
  const certificate = parsed(
    'EVENT_STORE_NODE_TLS_CERTIFICATE_FILE',
    'PEM certificate',
    () => new X509Certificate(cert),
  );
  const privateKey = parsed(
    'EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE',
    'PEM private key without passphrase',
    () => createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey))
    throw new ConfigError(
      'Configuration: the private key of EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE is not that of the certificate of ' +
        'EVENT_STORE_NODE_TLS_CERTIFICATE_FILE',
    );
}

function parsed<Parsed>(variable: string, what: string, parse: () => Parsed): Parsed {
  try {
    return parse();
  } catch {
    throw new ConfigError(`Configuration: the file of ${variable} holds no ${what}`);
  }
}
