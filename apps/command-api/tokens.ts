/** What the module is given from outside, by the name under which Nest injects it. */
export const eventStoreToken = Symbol('event store');
export const keyRingToken = Symbol('key ring');
export const keysPoolToken = Symbol('keys pool');
export const mailParserToken = Symbol('mail parser');
