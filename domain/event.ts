/** Who caused an event. Policies and the system itself are actors too, so that an audit names no one by mistake. */
export interface Actor {
  readonly kind: 'user' | 'operator' | 'contact' | 'system' | 'policy';
  /** Id of the user, reactor or key that acted; `null` where a kind has only one instance. */
  readonly id: string | null;
}

/**
 * Stored beside every event, for ever. The two `$` names are the event store's own, so that its tools show the chain.
 * Times are ISO-8601 in UTC; `occurredAt` is domain time, not the time of the append.
 */
export interface EventMetadata {
  readonly tenantId: string;
  readonly schemaVersion: number;
  readonly occurredAt: string;
  readonly actor: Actor;
  /** The command that decided this event: all events of one command carry it, so a retry finds its own work. */
  readonly commandId: string;
  /** sha256 of the request that carried an Idempotency-Key: the same key with another request is refused. */
  readonly requestHash?: string;
  readonly $correlationId: string;
  /** Id of the event a reactor answered, or of the command. */
  readonly $causationId: string;
  /** The data key that sealed this event's personal fields, where it has any. */
  readonly keyId?: string;
}

/** A fact as the domain decides it: what happened, without where it is stored. */
export interface Event<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/**
 * A fact as the log holds it, decoded: upcast to the current version, personal fields unsealed.
 * `revision` counts from 0 within the stream; `position` orders the whole log and is opaque beyond that order.
 */
export type Recorded<E extends Event = Event> = E & {
  readonly id: string;
  readonly streamName: string;
  readonly revision: number;
  readonly position: bigint;
  readonly metadata: EventMetadata;
};

/**
 * Names the personal fields of an event type, with the value each shows once its key was destroyed
 * (crypto-shredding, reliability.md B5). The codec seals exactly these; a fold sees plain values or these.
 */
export type SealedFields<E extends Event> = {
  readonly [T in E['type']]?: Extract<E, { type: T }> extends Event<string, infer Data>
    ? Partial<Data>
    : never;
};
