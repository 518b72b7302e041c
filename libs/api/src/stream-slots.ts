import { METRICS } from '@countersign/observability';
import { Problem } from './problems.js';

/** Each import or export holds some hundreds of items in memory. */
const MAX_STREAMS = 4;

/** The kinds of streams, as metrics name them. */
export type StreamKind = 'live' | 'event_export' | 'subject_export' | 'subject_import';

/** Limits the streams of one kind in this process, and shows them as metrics. */
export class StreamSlots {
  readonly #taken = new Map<string, number>();
  #count = 0;

  /**
   * @param most for all clients
   * @param mostOfOne for one tenant or client
   */
  constructor(
    private readonly kind: StreamKind,
    private readonly most = MAX_STREAMS,
    private readonly mostOfOne = 1,
  ) {
    METRICS.streams.inc({ kind }, 0);
    // Prometheus sees the first refusal as an increase only if the counter was 0 before it.
    METRICS.streamsRefused.inc({ kind }, 0);
  }

  /**
   * @param owner a tenant or client
   * @returns gives the slot back; call it once
   * @throws Problem quota-exceeded when no slot is free
   */
  take(owner: string): () => void {
    const own = this.#taken.get(owner) ?? 0;
    if (own >= this.mostOfOne || this.#count >= this.most) {
      METRICS.streamsRefused.inc({ kind: this.kind });
      throw new Problem('quota-exceeded', undefined, { 'retry-after': '5' });
    }
    this.#taken.set(owner, own + 1);
    this.#count++;
    METRICS.streams.inc({ kind: this.kind });
    return () => {
      this.#count--;
      METRICS.streams.dec({ kind: this.kind });
      const remaining = (this.#taken.get(owner) ?? 1) - 1;
      if (remaining === 0) this.#taken.delete(owner);
      else this.#taken.set(owner, remaining);
    };
  }
}
