import { send } from './client.js';
import { BlockReader } from './event-blocks.js';
import { type ConsoleEvent } from './event-view.js';

/** How long a stream that broke off waits before it continues. */
const PAUSE_MS = 2_000;

export interface StreamListener {
  readonly onEvent: (item: ConsoleEvent) => void;
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
          if (data !== undefined) listener.onEvent(JSON.parse(data) as ConsoleEvent);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      listener.onState(error);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
