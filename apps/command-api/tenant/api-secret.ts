import { createHmac } from 'node:crypto';

/**
 * Makes the secrets of API keys out of the server's root key and the command that asks for one. A repeat of the command
 * can so show the same key again, though only its hash was ever stored; nobody without the root key can compute one.
 */
export class ApiSecret {
  private readonly key: Buffer;

  constructor(rootKey: Buffer) {
    // A key of its own, so that this use of the root key tells nothing about the others.
    this.key = createHmac('sha256', rootKey).update('mailfold api key secrets v1').digest();
  }

  /** 32 bytes. */
  of(commandId: string): Buffer {
    return createHmac('sha256', this.key).update(commandId).digest();
  }
}
