import { type Tracer, type TracerOptions } from './tracer.js';

/** Loads OpenTelemetry on demand: without tracing it costs neither memory nor start time. */
export async function openTracer(options: TracerOptions): Promise<Tracer> {
  const { OtlpTracer } = await import('./otlp-tracer.js');
  return new OtlpTracer(options);
}
