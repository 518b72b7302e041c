import { send } from './client.js';
import { type EventItem } from './event-view.js';

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

/** How long a stream that broke off waits before it continues. */
const PAUSE_MS = 2_000;

export interface StreamListener {
  readonly onEvent: (item: EventItem) => void;
  /** Null: the stream is open. Otherwise why it is not; it is opened again. */
  readonly onState: (error: unknown) => void;
}

/** Follows the events of a tenant, or of all, from now on. After an interruption it continues after the last event. @returns ends it */
export function followEvents(tenant: string | undefined, listener: StreamListener): () => void {
  const end = new AbortController();
  void follow(tenant, listener, end.signal);
  return () => end.abort();
}

async function follow(tenant: string | undefined, listener: StreamListener, signal: AbortSignal): Promise<void> {
  const address = new URL('/v1/events/stream', location.origin);
  if (tenant !== undefined) address.searchParams.set('tenant', tenant);
  let last: string | undefined;
  while (!signal.aborted) {
    try {
      const headers = last === undefined ? undefined : { 'last-event-id': last };
      const response = await send(new Request(address, { signal, headers }));
      listener.onState(null);
      const blocks = new BlockReader();
      const parts = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await parts?.read(); part && !part.done; part = await parts?.read()) {
        for (const { id, data } of blocks.read(part.value)) {
          last = id ?? last;
          if (data !== undefined) listener.onEvent(JSON.parse(data) as EventItem);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      listener.onState(error);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
