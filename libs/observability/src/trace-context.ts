import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';

/** Where in a trace something happens, in the words of W3C Trace Context: what a request and its records carry. */
export interface TraceContext {
  /** `00-<trace id, 32 hex>-<span id, 16 hex>-<flags, 2 hex>`; checked. */
  readonly traceparent: string;
  /** What tracing systems add for themselves: at most 512 printable characters, handed on as it came. */
  readonly tracestate?: string;
}

/** What the code that runs at the moment belongs to. */
interface Place {
  readonly trace: TraceContext;
  readonly fail: ((errorType: string) => void) | undefined;
}

// https://www.w3.org/TR/trace-context/#traceparent-header: all zeros are invalid, so is version ff; a later version may
// be longer, and what is known of it is read as version 00.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;
/** Bytes of the ids of a trace and a span. */
const ID_BYTES = 24;
/** Text before the trace id, and text up to its end. */
const TRACE_ID: readonly [number, number] = [3, 35];

const places = new AsyncLocalStorage<Place | undefined>();

/** The context in headers of a request or a record. Undefined when there is none, or none that is valid. */
export function readTrace(headers: Readonly<Record<string, unknown>>): TraceContext | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return undefined;
  const found = TRACEPARENT.exec(traceparent);
  if (!found || (found[1] === '00' && found[3] !== undefined)) return undefined;
  const context = { traceparent: `00-${found[2]}` };
  return typeof tracestate === 'string' && TRACESTATE.test(tracestate) ? { ...context, tracestate } : context;
}

/** A trace that begins here and that nobody records: it joins the log lines of all services. */
export function newTrace(): TraceContext {
  const ids = randomBytes(ID_BYTES).toString('hex');
  return { traceparent: `00-${ids.slice(0, 32)}-${ids.slice(32)}-00` };
}

/** 32 hex digits. */
export function traceIdOf(context: TraceContext): string {
  return context.traceparent.slice(...TRACE_ID);
}

/**
 * Runs something as a part of a trace: what it awaits, logs, stores and sends belongs to it. `undefined`: to none, even
 * where the caller belongs to one.
 * @param fail is told the code of an error that is settled inside, see {@link failCurrentSpan}
 */
export function runInTrace<T>(trace: TraceContext | undefined, run: () => T, fail?: (errorType: string) => void): T {
  return places.run(trace && { trace, fail }, run);
}

/** The trace that the running code is a part of. */
export function currentTrace(): TraceContext | undefined {
  return places.getStore()?.trace;
}

/** Marks the span of the running code, if there is one, with the code of an error that nobody throws any further. */
export function failCurrentSpan(errorType: string): void {
  places.getStore()?.fail?.(errorType);
}

/** Headers that carry the trace of the running code to wherever a record goes; empty outside of a trace. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const trace = currentTrace();
  return trace === undefined ? {} : { ...trace };
}
