/** One block of server-sent events; a block without data only moves the position. */
export interface StreamBlock {
  readonly id: string | undefined;
  readonly data: string | undefined;
}

/** Reads blocks from the parts of a stream, however they are cut. A block of more than a megabyte ends the stream. */
export class BlockReader {
  #rest = '';

  read(part: string): StreamBlock[] {
    const texts = (this.#rest + part).split(/\r?\n\r?\n/);
    this.#rest = texts.pop() ?? '';
    if (this.#rest.length > 1_000_000) throw new Error('An event is too long.');
    return texts.map((text) => ({ id: fieldOf(text, 'id'), data: fieldOf(text, 'data') }));
  }
}

function fieldOf(block: string, name: string): string | undefined {
  const lines = block.split(/\r?\n/).filter((line) => line.startsWith(`${name}:`));
  if (lines.length === 0) return undefined;
  return lines.map((line) => line.slice(name.length + 1).replace(/^ /, '')).join('\n');
}
