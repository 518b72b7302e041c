import { type Readable } from 'node:stream';

/** A line of a body. `text` is undefined if the line is too long or is not UTF-8. */
export interface Line {
  /** From the number of the first line. */
  readonly number: number;
  readonly text: string | undefined;
}

const LINE_FEED = 0x0a;

/**
 * Splits a body into lines and reads no further than its reader. At most one line is in memory, and what one read of the socket
 * returned. Empty lines count and are not returned.
 * @param limit the maximum length of a line in bytes; the rest of a longer line is skipped
 */
export async function* readLines(body: Readable, firstLine: number, limit: number): AsyncGenerator<Line> {
  let number = firstLine;
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length <= limit) parts.push(part);
    else parts = [];
  };
  const end = (): Line | undefined => {
    const line = { number: number++, text: length > limit ? undefined : textOf(Buffer.concat(parts)) };
    parts = [];
    length = 0;
    return line.text === '' ? undefined : line;
  };
  for await (const chunk of body as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      add(chunk.subarray(from, at));
      from = at + 1;
      const line = end();
      if (line) yield line;
    }
    // A copy, because a slice would keep the whole chunk.
    if (from < chunk.length) add(Buffer.from(chunk.subarray(from)));
  }
  const line = length > 0 ? end() : undefined;
  if (line) yield line;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Without a byte order mark, and without spaces at both ends. */
function textOf(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes).trim();
  } catch {
    return undefined;
  }
}
