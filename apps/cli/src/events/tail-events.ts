import { type Environment } from '@countersign/runtime';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { eventLine } from './event-line.js';
import { EventsApi, interrupted, Retries, type AnsweredEvent, type EventOptions } from './events-api.js';

export interface TailOptions extends Omit<EventOptions, 'from' | 'to'> {
  readonly after?: string;
  readonly json?: true;
}

/** An event of a stream of server-sent events. */
interface SentEvent {
  readonly id: string;
  /** Undefined: the block has only the position from which a stream continues. */
  readonly data: string | undefined;
}

/** Far more than an event can have: 64 KiB in the log, and its personal fields. */
const MAX_EVENT_CHARACTERS = 1_048_576;

/**
 * `countersign events tail`: prints events as they are recorded, until `signal`. A stream that breaks off is opened again
 * after the last event, so none is missed or printed twice.
 * @param note writes messages that are no events, to standard error
 * @throws ServiceError SETTINGS_INVALID when the service refuses key or filters, also later
 */
export async function tailEvents(
  env: Environment,
  options: TailOptions,
  write: Write,
  note: Write,
  signal: AbortSignal,
): Promise<void> {
  let { after } = options;
  if (after !== undefined && !/^(0|[1-9]\d{0,14})$/.test(after)) throw refusedSetting('--after must be an index');
  const api = new EventsApi(env, options);
  const retries = new Retries();
  while (!signal.aborted) {
    try {
      const last = after === undefined ? {} : { 'last-event-id': after };
      const chunks = await api.open('/v1/events/stream', {}, { accept: 'text/event-stream', ...last }, signal);
      for await (const { id, data } of sentEvents(chunks)) {
        if (data !== undefined) write(options.json ? data : eventLine(JSON.parse(data) as AnsweredEvent));
        if (id !== after) retries.reset();
        after = id;
      }
      throw interrupted('the stream ended');
    } catch (error) {
      if (signal.aborted) break;
      await retries.wait(error, { most: Infinity, signal });
    }
  }
  if (after !== undefined) note(`continue with --after ${after}`);
}

/** The events of a stream (`text/event-stream`), each with one line of data at most; comments and settings are skipped. */
export async function* sentEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const blocks = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n\n');
    rest = blocks.pop() ?? '';
    if (rest.length > MAX_EVENT_CHARACTERS) throw refusedSetting('the address does not send events: check --url');
    for (const block of blocks) {
      const id = /^id: ?(\d+)$/m.exec(block)?.[1];
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (id !== undefined) yield { id, data };
    }
  }
}
