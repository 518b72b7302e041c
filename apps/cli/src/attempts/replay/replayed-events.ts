import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { METHODS, TOPICS, type Method } from '@countersign/contracts';
import { type Broker } from '@countersign/messaging';
import { refusedSetting } from '../../terminal/terminal.js';

/** A public event, as far as counters of attempts depend on it. */
export interface ReplayedEvent {
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string;
  readonly agent: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Of an attempt. */
  readonly method: Method | undefined;
  readonly number: number | undefined;
  readonly outcome: string;
  /** Keyed hash of a caller that can be recognized. */
  readonly caller: string | undefined;
  /** Of a new credential. */
  readonly credential: unknown;
}

/** The events that a counter depends on. */
export const REPLAYED_KINDS = [
  ...['attempt.decided', 'credential.unlocked', 'credential.enrolled', 'credential.changed', 'subject.erased'],
];

/** Status codes of events that differ from the names of their outcomes. */
const OUTCOMES: Readonly<Record<string, string>> = { pin_mismatch: 'rejected', answers_mismatch: 'rejected' };

type Json = Readonly<Record<string, unknown>>;
const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * Reads an event: the OCSF event itself, or a CloudEvent or an entry of the API that holds it as `data` or `event`.
 * @returns undefined: it is of another kind, or about no known subject
 */
export function readReplayedEvent(json: unknown): ReplayedEvent | undefined {
  const outer = objectOf(json);
  const event = [outer, objectOf(outer['data']), objectOf(outer['event'])].find((one) => one['unmapped'] !== undefined);
  if (event === undefined) return undefined;
  const more = objectOf(event['unmapped']);
  const kind = textOf(more['kind']);
  const subject = textOf(objectOf(event['user'])['uid']);
  if (!REPLAYED_KINDS.includes(kind) || subject === '' || subject.startsWith('unknown:')) return undefined;
  const protocol = textOf(event['auth_protocol']).toLowerCase();
  const code = textOf(event['status_code']).toLowerCase();
  const isRecognizable = more['channel'] !== 'rest' && more['caller_tail'] !== '';
  return {
    ...{ kind, subject, tenant: textOf(objectOf(event['metadata'])['tenant_uid']), agent: textOf(more['agent']) },
    time: Number(event['time']),
    method: METHODS.find((method) => method === protocol),
    number: typeof more['attempt'] === 'number' ? more['attempt'] : undefined,
    outcome: OUTCOMES[code] ?? code,
    caller: isRecognizable && typeof more['caller_key'] === 'string' ? more['caller_key'] : undefined,
    credential: objectOf(more['detail'])['credential'],
  };
}

/** Events of subjects, by subject, in the order in which they were read. */
export class EventsBySubject {
  readonly #events = new Map<string, ReplayedEvent[]>();

  constructor(private readonly wanted: { readonly tenant: string; readonly subject?: string | undefined }) {}

  /** @throws SyntaxError when the text is no JSON */
  add(text: string): void {
    const event = readReplayedEvent(JSON.parse(text));
    const { tenant, subject } = this.wanted;
    if (event?.tenant !== tenant || (subject !== undefined && event.subject !== subject)) return;
    const known = this.#events.get(event.subject);
    if (known === undefined) this.#events.set(event.subject, [event]);
    else known.push(event);
  }

  get subjects(): ReadonlyMap<string, readonly ReplayedEvent[]> {
    return this.#events;
  }
}

/** Reads an export: NDJSON, also compressed with gzip. @throws ServiceError SETTINGS_INVALID when it cannot be read */
export async function readEventFile(file: string, events: EventsBySubject): Promise<void> {
  let line = 0;
  try {
    const bytes = createReadStream(file);
    const plain = file.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes;
    bytes.on('error', (error) => plain.destroy(error));
    for await (const text of createInterface({ input: plain, crlfDelay: Infinity })) {
      line++;
      if (text.trim() !== '') events.add(text);
    }
  } catch (error) {
    throw refusedSetting(`${file} cannot be read after line ${line}: ${(error as Error).message}`);
  }
}

/** Reads the whole topic of events. @throws ServiceError BROKER_UNAVAILABLE */
export async function readEventTopic(broker: Broker, events: EventsBySubject): Promise<void> {
  let failure: Error | undefined;
  const fail = (error: Error): void => void (failure ??= error);
  const follower = await broker.follow(
    TOPICS.auditEvents.name,
    ({ value }) => {
      try {
        events.add(value.toString());
      } catch {
        fail(new Error('the topic holds a record that is no JSON: run countersign log verify'));
      }
    },
    fail,
  );
  await follower.caughtUp;
  await follower.close();
  if (failure !== undefined) throw failure;
}
