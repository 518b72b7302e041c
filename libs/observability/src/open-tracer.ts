import { type Tracer, type TracerOptions } from './tracer.js';

/** Loads OpenTelemetry, which nobody pays for who does not trace. */
export async function openTracer(options: TracerOptions): Promise<Tracer> {
  const { OtlpTracer } = await import('./otlp-tracer.js');
  return new OtlpTracer(options);
}
