/** An answer as it goes out. JSON is text from the database on, and is never parsed on its way (performance.md 2d). */
export class Representation {
  constructor(
    readonly body: string | Buffer,
    readonly headers: Readonly<Record<string, string>> = {},
    readonly contentType = 'application/json; charset=utf-8',
    /** The ETag stands for the very bytes, so If-None-Match may be answered with 304. */
    readonly unchanging = false,
  ) {}

  with(headers: Readonly<Record<string, string>>): Representation {
    return new Representation(this.body, { ...this.headers, ...headers }, this.contentType, this.unchanging);
  }
}
