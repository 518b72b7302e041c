import { send } from './client.js';
import { BlockReader } from './event-blocks.js';
import { type ConsoleEvent } from './event-view.js';
import { ApiProblem } from './problem.js';
import { queries } from './queries.js';
import { sessionQuery } from './session.js';

/** How long a stream that broke off waits before it continues. */
const PAUSE_MS = 2_000;
/** The server sends something every 15 s at least. A longer silence is a lost connection, which no error states. */
const SILENCE_MS = 45_000;

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
  const position: Position = { last: undefined };
  while (!signal.aborted) {
    try {
      await readOnce(address, position, listener, signal);
    } catch (error) {
      if (signal.aborted) return;
      const problem = error instanceof ApiProblem ? error : new ApiProblem(0, 'unreachable', '');
      // The session has ended: reading it again shows the sign-in.
      if (problem.status === 401) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
      listener.onState(problem);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** After which event a stream continues. */
interface Position {
  last: string | undefined;
}

/** Reads one connection until it ends, and closes it in any case. */
async function readOnce(
  address: URL,
  position: Position,
  listener: StreamListener,
  signal: AbortSignal,
): Promise<void> {
  const lost = new AbortController();
  const startTimer = (): ReturnType<typeof setTimeout> => setTimeout(() => lost.abort(), SILENCE_MS);
  let timer = startTimer();
  try {
    const headers = position.last === undefined ? undefined : { 'last-event-id': position.last };
    const response = await send(new Request(address, { signal: AbortSignal.any([signal, lost.signal]), headers }));
    listener.onState(null);
    const blocks = new BlockReader();
    const parts = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await parts?.read(); part && !part.done; part = await parts?.read()) {
      clearTimeout(timer);
      timer = startTimer();
      for (const { id, data } of blocks.read(part.value)) {
        position.last = id ?? position.last;
        if (data !== undefined) listener.onEvent(JSON.parse(data) as ConsoleEvent);
      }
    }
  } finally {
    clearTimeout(timer);
    lost.abort();
  }
}
