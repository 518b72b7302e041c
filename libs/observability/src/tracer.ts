import { type TraceContext } from './trace-context.js';

export type SpanKind = 'server' | 'producer' | 'consumer';

/** Facts about a span, by the names of OpenTelemetry's semantic conventions. Never a key, a value or an argument. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKind;
  /** Undefined: the span begins a trace. */
  readonly parent: TraceContext | undefined;
  readonly attributes: SpanAttributes;
  /** When it began, in milliseconds since 1970, if that was not now. */
  readonly startedAt?: number;
}

/** A piece of work that is being recorded, or that the sampler chose not to record. */
export interface Span {
  /** To be handed on to what is caused by it. */
  readonly context: TraceContext;
  set(attributes: SpanAttributes): void;
  /** @param errorType a code or the name of a class; never a message, which may quote input */
  fail(errorType: string): void;
  end(): void;
}

/** Makes spans and sends them to a collector. */
export interface Tracer {
  start(span: SpanStart): Span;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof SAMPLERS)[number];

export interface TracerOptions {
  readonly serviceName: string;
  /** Base address of a collector that takes OTLP over HTTP, without `/v1/traces`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sampler: SamplerName;
  /** Share of the traces, 0 to 1, for the samplers by ratio. */
  readonly ratio: number;
  /** Told how many spans did not reach the collector. */
  readonly onLost: (spans: number) => void;
}
