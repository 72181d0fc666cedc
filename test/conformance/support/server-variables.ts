/** Set by the global set-up where no other server is asked for: the embedded nodes it has started, as JSON. */
export const embeddedServersVariable = 'CONFORMANCE_EMBEDDED_SERVERS';
/** Set by `npm run conformance -- --url <url>`. */
export const serverUrlVariable = 'CONFORMANCE_URL';
