import { type TraceContext } from './trace-context.js';

export type SpanKind = 'server' | 'producer' | 'consumer';

/** Attributes by OpenTelemetry's semantic conventions. Never a record's key or value, or an argument. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanStart {
  readonly name: string;
  readonly kind: SpanKind;
  /** Undefined: the span begins a trace. */
  readonly parent: TraceContext | undefined;
  readonly attributes: SpanAttributes;
  /** Start in milliseconds since 1970. Default: now. */
  readonly startedAt?: number;
}

/** A unit of work, recorded or not, as the sampler decided. */
export interface Span {
  /** The context to pass on to the work that this span causes. */
  readonly context: TraceContext;
  set(attributes: SpanAttributes): void;
  /** @param errorType a code or a class name; never a message, which can contain input */
  fail(errorType: string): void;
  end(): void;
}

/** Creates spans and sends them to a collector. */
export interface Tracer {
  start(span: SpanStart): Span;
  /** Sends the remaining spans, for at most a few seconds. */
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
  /** Share of traces to record, 0 to 1, for the samplers by ratio. */
  readonly ratio: number;
  /** Receives the number of spans that did not reach the collector. */
  readonly onLost: (spans: number) => void;
}
