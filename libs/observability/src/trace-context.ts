import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';

/** A position in a trace (W3C Trace Context), which requests and records carry in their headers. */
export interface TraceContext {
  /** `00-<trace id, 32 hex>-<span id, 16 hex>-<flags, 2 hex>`; checked. */
  readonly traceparent: string;
  /** Data of tracing systems: at most 512 printable characters, passed on unchanged. */
  readonly tracestate?: string;
}

/** The trace of the running code. */
interface ActiveTrace {
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

const activeTraces = new AsyncLocalStorage<ActiveTrace | undefined>();

/** Reads the context from headers of a request or a record. Undefined when it is missing or invalid. */
export function readTrace(headers: Readonly<Record<string, unknown>>): TraceContext | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string') return undefined;
  const found = TRACEPARENT.exec(traceparent);
  if (!found || (found[1] === '00' && found[3] !== undefined)) return undefined;
  const context = { traceparent: `00-${found[2]}` };
  return typeof tracestate === 'string' && TRACESTATE.test(tracestate) ? { ...context, tracestate } : context;
}

/** Begins a trace without spans, which connects the log lines of all services. */
export function newTrace(): TraceContext {
  const ids = randomBytes(ID_BYTES).toString('hex');
  return { traceparent: `00-${ids.slice(0, 32)}-${ids.slice(32)}-00` };
}

/** 32 hex digits. */
export function traceIdOf(context: TraceContext): string {
  return context.traceparent.slice(...TRACE_ID);
}

/**
 * Runs a function in a trace. Everything that it awaits, logs, stores and sends belongs to the trace.
 * @param trace undefined runs it outside of any trace, even when the caller runs in one
 * @param fail receives the code of an error that is handled inside, see {@link failCurrentSpan}
 */
export function runInTrace<T>(trace: TraceContext | undefined, run: () => T, fail?: (errorType: string) => void): T {
  return activeTraces.run(trace && { trace, fail }, run);
}

/** The trace of the running code. */
export function currentTrace(): TraceContext | undefined {
  return activeTraces.getStore()?.trace;
}

/** Marks the span of the running code, if it has one, with the code of an error that is handled and not rethrown. */
export function failCurrentSpan(errorType: string): void {
  activeTraces.getStore()?.fail?.(errorType);
}

/** Headers with the trace of the running code; empty outside of a trace. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const trace = currentTrace();
  return trace === undefined ? {} : { ...trace };
}
