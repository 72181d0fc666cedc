import type { ProjectedEvent } from './projection';

/**
 * Narrows an event to the types a projection reads, so that its switch over them stays exhaustive: a type that is added to
 * the list does not compile until the fold handles it.
 */
export function isOneOf<E extends ProjectedEvent, Type extends E['type']>(
  types: readonly Type[],
  event: E,
): event is Extract<E, { type: Type }> {
  return (types as readonly string[]).includes(event.type);
}
