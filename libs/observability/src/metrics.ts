import { Counter, Gauge, Histogram, register } from 'prom-client';

/** Verifications by outcome, counted where the answer leaves. */
export function outcomeCounter(): Counter<'adapter' | 'outcome'> {
  return (
    (existing('countersign_verifications_total') as Counter<'adapter' | 'outcome'>) ??
    new Counter({
      name: 'countersign_verifications_total',
      help: 'Verifications by outcome',
      labelNames: ['adapter', 'outcome'],
    })
  );
}

/** Seconds from a request's arrival at an adapter to its answer. */
export function answerSeconds(): Histogram<'adapter'> {
  return (
    (existing('countersign_answer_seconds') as Histogram<'adapter'>) ??
    new Histogram({
      name: 'countersign_answer_seconds',
      help: 'Seconds from the arrival of a request to its answer',
      labelNames: ['adapter'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    })
  );
}

/** A figure that is read when it is scraped; the last registration of a label set wins. */
export function gauge(name: string, help: string, service: string, read: () => number): void {
  const found = existing(name) as ReadGauge | undefined;
  const target = found ?? new ReadGauge(name, help);
  target.reads.set(service, read);
}

class ReadGauge extends Gauge<'service'> {
  readonly reads = new Map<string, () => number>();

  constructor(name: string, help: string) {
    super({
      name,
      help,
      labelNames: ['service'],
      collect: () => {
        for (const [service, read] of this.reads) this.set({ service }, read());
      },
    });
  }
}

function existing(name: string): unknown {
  return register.getSingleMetric(name);
}
