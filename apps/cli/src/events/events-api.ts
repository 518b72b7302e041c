import { setTimeout as delay } from 'node:timers/promises';
import { ServiceError, type Environment } from '@countersign/runtime';
import { authorizationOf, isInClear } from '../subjects/rest-api.js';
import { refusedSetting } from '../terminal/terminal.js';

/** Options of every command about events: where the API is, and which events. */
export interface EventOptions {
  readonly url?: string;
  readonly keyFile?: string;
  readonly tenant?: string;
  readonly subject?: string;
  readonly call?: string;
  readonly type?: string;
  readonly from?: string;
  readonly to?: string;
}

/** An event as the API answers it. */
export interface AnsweredEvent {
  readonly id: string;
  readonly index: number;
  readonly type: string;
  readonly time: string;
  readonly tenant: string;
  readonly subject: string | null;
  readonly call: string | null;
  readonly event: Readonly<Record<string, unknown>>;
  readonly erased?: boolean;
}

export interface AnsweredPage {
  readonly items: readonly AnsweredEvent[];
  readonly nextCursor: string | null;
}

interface ProblemBody {
  readonly detail?: string;
  readonly violations?: readonly { readonly field: string; readonly rule: string }[];
}

/** Pauses before a request is repeated, in milliseconds. The first is short: a service that starts again ends all streams. */
const RETRY_PAUSES_MS = [250, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000];
const FILTERS = ['tenant', 'subject', 'call', 'type', 'from', 'to'] as const;
/** Longest wait for an answer, and longest silence of a stream, in milliseconds. */
const ANSWER_MS = 60_000;

/** The API of events, at the audit service or at the REST adapter. */
export class EventsApi {
  /** Without a slash at its end. */
  readonly url: string;
  /** The filters that were given. */
  readonly filters: Readonly<Record<string, string>>;
  readonly #authorization: string;

  /** @throws ServiceError SETTINGS_INVALID when the key is missing, or URL or key are malformed */
  constructor(env: Environment, options: EventOptions) {
    this.url = (options.url ?? env['COUNTERSIGN_AUDIT_URL'] ?? 'http://localhost:3002').replace(/\/+$/, '');
    if (!/^https?:\/\/[^/]/.test(this.url))
      throw refusedSetting('--url must be the address of the audit service, such as https://audit.example.com');
    const authorization = authorizationOf(env, options.keyFile);
    if (authorization === undefined)
      throw refusedSetting(
        'a key with the scope audit is missing: set COUNTERSIGN_API_KEY, or name its file with --key-file or COUNTERSIGN_API_KEY_FILE',
      );
    if (isInClear(this.url))
      process.stderr.write(`warning: ${this.url} is not encrypted, so everyone on the way reads the key; use https\n`);
    this.#authorization = authorization;
    this.filters = Object.fromEntries(
      FILTERS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
    );
  }

  /**
   * Opens a stream.
   * @param query in addition to the filters
   * @param signal ends it
   * @throws ServiceError as {@link page}
   */
  async open(
    path: string,
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<AsyncGenerator<Uint8Array>> {
    const silence = new AbortController();
    const answer = await this.#get(`${path}?${this.#query(query)}`, headers, silence, signal);
    return chunksOf(answer, silence);
  }

  /**
   * A page of the search.
   * @throws ServiceError SETTINGS_INVALID when the service refuses key or filters; BROKER_UNAVAILABLE, retriable, when it does
   * not answer
   */
  page(query: Readonly<Record<string, string>>): Promise<AnsweredPage> {
    return this.#json<AnsweredPage>(`/v1/events?${this.#query(query)}`);
  }

  /** One event by its id. @throws ServiceError as {@link page} */
  event(id: string): Promise<AnsweredEvent> {
    return this.#json<AnsweredEvent>(`/v1/events/${encodeURIComponent(id)}`);
  }

  async #json<T>(path: string): Promise<T> {
    const answer = await this.#get(path, {}, new AbortController(), AbortSignal.timeout(ANSWER_MS));
    try {
      return (await answer.json()) as T;
    } catch {
      throw interrupted(`the answer of ${this.url} broke off`);
    }
  }

  #query(more: Readonly<Record<string, string>>): string {
    return new URLSearchParams({ ...this.filters, ...more }).toString();
  }

  async #get(
    path: string,
    headers: Readonly<Record<string, string>>,
    silence: AbortController,
    signal?: AbortSignal,
  ): Promise<Response> {
    const limit = setTimeout(() => silence.abort(), ANSWER_MS);
    const all = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    // A redirect could send the key to another address.
    const init = {
      headers: { ...headers, authorization: this.#authorization },
      redirect: 'manual',
      signal: all,
    } as const;
    const answer = await fetch(`${this.url}${path}`, init).catch(() => undefined);
    clearTimeout(limit);
    if (answer === undefined)
      throw interrupted(`there is no answer from ${this.url}: check --url, and whether the audit service runs`);
    if (!answer.ok) throw await this.#fault(answer);
    return answer;
  }

  async #fault(answer: Response): Promise<ServiceError> {
    const { violations = [], detail = '' } = (await answer.json().catch(() => ({}))) as ProblemBody;
    const rules = violations.map(
      ({ field, rule }) => `${field === 'Last-Event-ID' ? '--after' : `--${field}`} ${rule}`,
    );
    switch (answer.status) {
      case 401:
        return refusedSetting(`${this.url} does not accept the key: it is unknown, has expired, or was revoked`);
      case 403:
        return refusedSetting('the key may not read events: use one with the scope audit');
      case 404:
        return refusedSetting(
          `there is nothing like this at ${this.url}: check --url, and name the tenant of the key with --tenant, or none`,
        );
      case 422:
        return refusedSetting(rules.length > 0 ? rules.join('; ') : detail);
      case 429:
        return interrupted('too many exports or streams run for this tenant or in this copy of the service');
      default:
        return answer.status >= 500
          ? interrupted(`${this.url} answered with status ${answer.status}`)
          : refusedSetting(`${this.url} answered with status ${answer.status}: check --url`);
    }
  }
}

/** Repeats work with growing pauses. */
export class Retries {
  #tries = 0;

  /** Starts the pauses from the shortest again. Call it after progress. */
  reset(): void {
    this.#tries = 0;
  }

  /**
   * Waits before the request is repeated.
   * @param most repetitions; default: one for each pause of the list
   * @throws the fault itself, when it is not retriable or `most` is reached
   */
  async wait(fault: unknown, { most = RETRY_PAUSES_MS.length, signal }: { most?: number; signal?: AbortSignal } = {}) {
    if (!(fault instanceof ServiceError && fault.retriable) || this.#tries >= most) throw fault;
    const pause = RETRY_PAUSES_MS[Math.min(this.#tries++, RETRY_PAUSES_MS.length - 1)];
    await delay(pause, undefined, signal && { signal }).catch(() => undefined);
  }
}

/** A retriable fault: the request can succeed when it is repeated. */
export const interrupted = (what: string): ServiceError => new ServiceError('BROKER_UNAVAILABLE', what, true);

/** The bytes of a stream. @throws ServiceError BROKER_UNAVAILABLE when it breaks off or is silent for too long */
async function* chunksOf({ body }: Response, silence: AbortController): AsyncGenerator<Uint8Array> {
  let limit = setTimeout(() => silence.abort(), ANSWER_MS);
  try {
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      clearTimeout(limit);
      yield chunk;
      limit = setTimeout(() => silence.abort(), ANSWER_MS);
    }
  } catch {
    throw interrupted('the answer broke off');
  } finally {
    clearTimeout(limit);
  }
}
