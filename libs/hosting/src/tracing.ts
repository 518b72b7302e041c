import { METRICS, openTracer, type Tracer } from '@countersign/observability';
import { parseSetting } from '@countersign/runtime';
import { type BusSettings } from './settings.js';

/** OpenTelemetry's default address of a collector. */
const DEFAULT_ENDPOINT = 'http://localhost:4318';

/**
 * The tracer that the settings describe. Undefined when they disable tracing; OpenTelemetry is then not loaded.
 * @throws ServiceError SETTINGS_INVALID
 */
export async function tracerOf(service: string, settings: BusSettings): Promise<Tracer | undefined> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = settings;
  if ((settings.OTEL_TRACES_EXPORTER ?? (endpoint === undefined ? 'none' : 'otlp')) === 'none') return undefined;
  METRICS.spansLost.inc({ service }, 0);
  return openTracer({
    serviceName: settings.OTEL_SERVICE_NAME ?? `countersign-${service}`,
    endpoint: endpoint ?? DEFAULT_ENDPOINT,
    headers: await parseSetting('OTEL_EXPORTER_OTLP_HEADERS', () =>
      readHeaders(settings.OTEL_EXPORTER_OTLP_HEADERS?.reveal() ?? ''),
    ),
    sampler: settings.OTEL_TRACES_SAMPLER,
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    onLost: (spans) => METRICS.spansLost.inc({ service }, spans),
  });
}

/** @throws Error that names the rule and no value */
function readHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const entry of text.split(',').filter((one) => one.trim() !== '')) {
    const [, name, value] = /^\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*([\x20-\x7e]*?)\s*$/.exec(entry) ?? [];
    if (name === undefined || value === undefined) throw new Error('must be name=value[,name=value…]');
    headers[name] = decoded(value);
  }
  return headers;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
