import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The one user of a secure node. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * What a call may do: everything; only what needs no rights; or nothing, because it names a user we do not know or a wrong
 * password (event-store.md §4, Authentication).
 */
export type Access = 'granted' | 'anonymous' | 'rejected';
export type Authenticate = (authorization: string | undefined) => Access;

/** An insecure node asks nobody who they are, and does not look at what they say. */
export const grantAll: Authenticate = () => 'granted';

/** Compares the `authorization` header, if it is of the Basic scheme (RFC 7617), with the one user. */
export function basicAuthentication({ user, password }: Credentials): Authenticate {
  // Digests of equal length under a key of the moment: the time a comparison takes says nothing about the password.
  const key = randomBytes(32);
  const digest = (text: string | Buffer): Buffer => createHmac('sha256', key).update(text).digest();
  const expected = digest(`${user}:${password}`);
  return (authorization) => {
    const encoded = /^Basic (.*)$/i.exec(authorization ?? '')?.[1];
    if (encoded === undefined) return 'anonymous';
    return timingSafeEqual(digest(Buffer.from(encoded, 'base64')), expected) ? 'granted' : 'rejected';
  };
}
