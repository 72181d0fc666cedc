import 'reflect-metadata';
import { loadConfig } from '../shared/config/load-config';
import { createEventStore } from '../shared/event-store/esdb-event-store';
import { createHttpApplication, listen } from '../shared/http/http-application';
import { takeBytes } from '../shared/http/request-body';
import { createKeyRing } from '../shared/keys/key-ring';
import { createMailParser } from '../shared/mail/mail-parser';
import { createPool } from '../shared/postgres/pool';
import { runProcess } from '../shared/process/run-process';
import { CommandApiModule } from './command-api.module';
import { commandApiVariables } from './config';
import { mailMediaType } from './message/message.controller';
import { commandProblem } from './problems';
import { ApiSecret } from './tenant/api-secret';
import { createAuthenticator } from './tenant/tenant-keys';

/** Its queries are one row by key; what takes longer is an outage, and is answered as one. */
const keyStoreTimeoutMs = 2_000;

/** Mails of the full size in memory at once: 250 MiB by default, or thousands of ordinary ones. */
const heldMailsMax = 10;

runProcess('command-api', async (frame) => {
  const { log } = frame;
  const config = loadConfig(commandApiVariables);
  const keysPool = createPool(config.KEYS_DATABASE_URL, {
    applicationName: 'mailfold-command-api',
    maxConnections: 4,
    statementTimeoutMs: keyStoreTimeoutMs,
    queryTimeoutMs: keyStoreTimeoutMs,
    connectionTimeoutMs: keyStoreTimeoutMs,
    onConnectionLost: (error) => log.warn({ err: error }, 'key store connection lost'),
  });
  frame.onShutdown(() => keysPool.end());
  const keyRing = createKeyRing({ pool: keysPool, rootKey: config.MAILFOLD_ROOT_KEY });
  const store = createEventStore({
    url: config.EVENTSTORE_URL,
    keys: keyRing,
    onReconnect: (error) => log.warn({ err: error }, 'event store call failed, trying again'),
  });
  frame.onShutdown(() => store.close());
  const mailParser = createMailParser({ threads: config.MAIL_PARSER_THREADS });
  frame.onShutdown(() => mailParser.close());

  const apiSecret = new ApiSecret(config.MAILFOLD_ROOT_KEY);
  const app = await createHttpApplication({
    module: CommandApiModule.over({ store, keyRing, keysPool, mailParser, apiSecret }),
    log,
    authenticator: createAuthenticator(store, config.MAILFOLD_ADMIN_KEY),
    translate: commandProblem,
    description: {
      title: 'Mailfold command API',
      description: 'Takes mail in and carries the decisions of agents into the log. Reads are the query API.',
    },
    extend: (server) =>
      takeBytes(server, mailMediaType, {
        bytesMax: config.MESSAGE_SIZE_MAX_BYTES,
        heldBytesMax: heldMailsMax * config.MESSAGE_SIZE_MAX_BYTES,
      }),
  });
  // Registered last, so it runs first: requests in flight finish while all they need is still open.
  frame.onShutdown(() => app.close());
  return { port: await listen(app, config.HOST, config.COMMAND_API_PORT) };
});
