import { Counter, Gauge, Histogram } from 'prom-client';

/** One value of a figure, with the labels that set it apart. */
export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Partial<Record<Label, string | number>>>;
  /** NaN: not known at the moment. */
  readonly value: number;
}

type Read<Label extends string> = () => readonly Sample<Label>[] | Promise<readonly Sample<Label>[]>;

/**
 * A figure that is read when it is scraped. It has any number of sources, because one process can hold several services;
 * a label set that no source names any more, such as a partition that has moved, is gone at the next scrape.
 */
export class ReadGauge<Label extends string> {
  readonly #sources = new Set<Read<Label>>();

  /** @param merge what becomes of two sources with the same labels, such as two copies of a service in one test */
  constructor(name: string, help: string, labelNames: readonly Label[], merge: (a: number, b: number) => number) {
    const gauge = new Gauge<Label>({
      name,
      help,
      labelNames: [...labelNames],
      collect: async () => {
        const samples = (await Promise.all([...this.#sources].map(orNothing))).flat();
        gauge.reset();
        const merged = new Map<string, Sample<Label>>();
        for (const { labels, value } of samples) {
          const id = labelNames.map((label) => labels[label]).join('\n');
          const known = merged.get(id);
          merged.set(id, { labels, value: known === undefined ? value : merge(known.value, value) });
        }
        for (const { labels, value } of merged.values()) gauge.set({ ...labels }, value);
      },
    });
  }

  /** @returns what ends the reading; the owner of the figure calls it when it closes */
  read(source: Read<Label>): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }
}

/** One source that fails must not cost the others their scrape. */
async function orNothing<Label extends string>(read: Read<Label>): Promise<readonly Sample<Label>[]> {
  try {
    return await read();
  } catch {
    return [];
  }
}

const sum = (a: number, b: number): number => a + b;

const WAITING_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const HANDLING_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const verifications = new Counter({
  name: 'countersign_verifications_total',
  help: 'Verifications by outcome',
  labelNames: ['adapter', 'outcome'],
});

const answers = new Histogram({
  name: 'countersign_answer_seconds',
  help: 'Seconds from the arrival of a request to its answer',
  labelNames: ['adapter'],
  buckets: WAITING_SECONDS,
});

/** Verifications by outcome, counted where the answer leaves. */
export function outcomeCounter(): Counter<'adapter' | 'outcome'> {
  return verifications;
}

/** Seconds from a request's arrival at an adapter to its answer. */
export function answerSeconds(): Histogram<'adapter'> {
  return answers;
}

/** What the services tell of themselves and of their bus. Labels hold names of ours; never input, never a person. */
export const METRICS = {
  up: new ReadGauge('countersign_up', '1 while the service can do its work', ['service'], Math.min),
  hashLoad: new ReadGauge(
    'countersign_hash_load',
    'Guesses that wait for a hash or are being hashed',
    ['service'],
    sum,
  ),
  hashQueue: new ReadGauge('countersign_hash_queue', 'Hashes that wait for their turn', ['service'], sum),
  hashWait: new Histogram({
    name: 'countersign_hash_wait_seconds',
    help: 'Seconds that a hash waited for its turn',
    buckets: WAITING_SECONDS,
  }),
  hashTime: new Histogram({
    name: 'countersign_hash_seconds',
    help: 'Seconds of one hash, in the thread pool and waiting for a thread',
    buckets: HANDLING_SECONDS,
  }),
  hashRefused: new Counter({
    name: 'countersign_hash_refused_total',
    help: 'Guesses that found every place of the hash queue taken',
  }),
  tampered: new Counter({
    name: 'countersign_tampered_rows_total',
    help: 'Uses of stored data that was found altered: credential, profile, counter',
    labelNames: ['what', 'reason'],
  }),
  credentialsRefused: new Counter({
    name: 'countersign_credentials_refused_total',
    help: 'Requests whose password, API key or keypad token was refused, by channel: swaig, rest',
    labelNames: ['channel'],
  }),
  events: new Counter({
    name: 'countersign_events_total',
    help: 'Events recorded in the audit trail, by kind; one that is delivered again counts again',
    labelNames: ['kind'],
  }),
  keysMismatched: new ReadGauge(
    'countersign_keys_mismatched',
    '1 for a setting whose keys do not fit those of the verification service',
    ['service', 'setting'],
    Math.max,
  ),
  overLimit: new ReadGauge(
    'countersign_limit_keys_remembered',
    'Keys over their limit that are refused without asking the database',
    ['service'],
    sum,
  ),
  limitDecisions: new Counter({
    name: 'countersign_limit_decisions_total',
    help: 'Decisions of the rate limiter: admitted, refused, would_refuse (shadow mode), near (80 % of a limit); source: store, memory, or adapter for what a front door refuses by itself',
    labelNames: ['outcome', 'dimension', 'source'],
  }),

  lag: new ReadGauge(
    'countersign_consumer_lag_records',
    'Records of a partition that the group has not finished',
    ['service', 'group', 'topic', 'partition'],
    Math.max,
  ),
  inFlight: new ReadGauge('countersign_records_in_flight', 'Records in hand', ['service', 'group'], sum),
  waiting: new ReadGauge(
    'countersign_records_waiting',
    'Records that were fetched and wait for their turn',
    ['service', 'group'],
    sum,
  ),
  retrying: new ReadGauge(
    'countersign_records_retrying',
    'Records that pause before they are tried again',
    ['service', 'group'],
    sum,
  ),
  records: new Counter({
    name: 'countersign_records_total',
    help: 'Tries at records, by what became of them: handled, expired, retried, dead_lettered',
    labelNames: ['service', 'group', 'topic', 'outcome'],
  }),
  failures: new Counter({
    name: 'countersign_record_failures_total',
    help: 'Tries that failed, by error code and by what became of the record: retried, dead_lettered',
    labelNames: ['service', 'group', 'topic', 'outcome', 'code'],
  }),
  handling: new Histogram({
    name: 'countersign_handling_seconds',
    help: 'Seconds of one try at a record, with the sending of what follows from it',
    labelNames: ['service', 'group', 'topic'],
    buckets: HANDLING_SECONDS,
  }),

  sent: new Counter({
    name: 'countersign_sent_records_total',
    help: 'Records that the broker has acknowledged; all reply addresses are one topic, replies',
    labelNames: ['service', 'topic'],
  }),
  sending: new Histogram({
    name: 'countersign_send_seconds',
    help: 'Seconds from the wish to send until all in-sync replicas have the records, or the sending was given up',
    labelNames: ['service'],
    buckets: HANDLING_SECONDS,
  }),
  sendFailures: new Counter({
    name: 'countersign_send_failures_total',
    help: 'Sends that were given up, by error code',
    labelNames: ['service', 'code'],
  }),

  questions: new ReadGauge('countersign_questions_waiting', 'Questions that wait for a reply', ['service'], sum),
  replies: new Histogram({
    name: 'countersign_reply_seconds',
    help: 'Seconds from a question on the bus to its reply',
    labelNames: ['service'],
    buckets: WAITING_SECONDS,
  }),
  replyTimeouts: new Counter({
    name: 'countersign_reply_timeouts_total',
    help: 'Questions that got no reply in time',
    labelNames: ['service'],
  }),
  unprovenReplies: new Counter({
    name: 'countersign_unproven_replies_total',
    help: 'Replies that were dropped because they lacked a right signature of the verification service',
    labelNames: ['service'],
  }),
  lateReplies: new Counter({
    name: 'countersign_late_replies_total',
    help: 'Replies that came when nobody waited for them any more',
    labelNames: ['service'],
  }),

  outboxPending: new ReadGauge(
    'countersign_outbox_pending_records',
    'Records that are committed and not yet with the broker; NaN while the database does not tell',
    ['service'],
    Math.max,
  ),
  outboxAge: new ReadGauge(
    'countersign_outbox_oldest_age_seconds',
    'Age of the record that waits longest in the outbox, 0 without one; NaN while the database does not tell',
    ['service'],
    Math.max,
  ),

  spansLost: new Counter({
    name: 'countersign_spans_lost_total',
    help: 'Spans that did not reach the collector',
    labelNames: ['service'],
  }),
} as const;
