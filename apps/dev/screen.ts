import type { DemoTenant } from './secrets';
import type { System } from './system';

/** What `npm start` leaves on the screen: where it is, how to write and read, how to stop. */
export function renderScreen(system: System, demo: DemoTenant, dataDir: string): string {
  const { commandApi, queryApi, console: operatorConsole, eventStore } = system.urls;
  const key = `-H 'Authorization: Bearer ${demo.apiKey}'`;
  const mail = [
    'From: Jane <jane@customer.example>',
    'To: support@demo.example',
    'Subject: Where is my order?',
    'Message-ID: <order-1@customer.example>',
    '',
    'It was due on Monday.',
    '',
  ].join('\\r\\n');
  return [
    '',
    'Mailfold is running.',
    '',
    `  Command API   ${commandApi}   (OpenAPI at ${commandApi}/docs)`,
    `  Query API     ${queryApi}   (OpenAPI at ${queryApi}/docs)`,
    `  Console       ${operatorConsole}   (rebuilds; OpenAPI at ${operatorConsole}/docs, key in ${dataDir}/secrets.json)`,
    `  Event store   ${eventStore}`,
    `  Cache         ${system.cacheDescription}`,
    `  Data, logs    ${dataDir}`,
    `  API key       ${demo.apiKey}   (tenant Demo, mailbox support@demo.example)`,
    '',
    'A mail comes in:',
    '',
    `printf '${mail}' | curl -sS ${commandApi}/v1/mailboxes/${demo.mailboxId}/messages ${key} -H 'Content-Type: message/rfc822' --data-binary @-`,
    '',
    'The inbox:',
    '',
    `curl -sS '${queryApi}/v1/conversations?mailboxId=${demo.mailboxId}' ${key}`,
    '',
    'How far each read model is:',
    '',
    `curl -sS ${queryApi}/v1/status ${key}`,
    '',
    'Ctrl-C stops everything; the data stays.',
    '',
  ].join('\n');
}
