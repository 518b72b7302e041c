import { isRecord } from '@countersign/api';
import { type ServiceState } from './services.dto.js';

/** A line of the Prometheus text format: name, labels, value. */
const SAMPLE = /^(\w+)\{([^}]*)\} (\S+)$/gm;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * The states of the services of a process.
 * @param health the answer of `/health/ready`
 * @param metrics the answer of `/metrics`
 * @throws Error when it is no answer of a port for operators
 */
export function serviceStatesOf(process: string, health: string, metrics: string): ServiceState[] {
  const { services } = JSON.parse(health) as { services?: unknown };
  if (!isRecord(services)) throw new Error('this is no port for operators');
  const samples = samplesOf(metrics);
  return Object.entries(services).map(([service, report]) => {
    const checks = isRecord(report) && isRecord(report['checks']) ? Object.entries(report['checks']) : [];
    const isReady = isRecord(report) && report['status'] === 'ok';
    const failing = checks.filter(([, isOk]) => isOk !== true).map(([name]) => name);
    const own = samples.filter(({ labels }) => labels['service'] === service);
    const figure = (field: keyof ServiceState, metric: string): object => {
      const value = own.find(({ name }) => name === metric)?.value ?? NaN;
      return Number.isFinite(value) ? { [field]: value } : {};
    };
    return {
      ...{ process, service, status: isReady ? 'ready' : 'not_ready', failing, lag: lagOf(own) },
      ...figure('hashLoad', 'countersign_hash_load'),
      ...figure('outboxPending', 'countersign_outbox_pending_records'),
      ...figure('outboxAgeSeconds', 'countersign_outbox_oldest_age_seconds'),
    };
  });
}

/** Over the partitions of a topic. */
function lagOf(samples: readonly MetricSample[]): ServiceState['lag'] {
  const byGroup = new Map<string, ServiceState['lag'][number]>();
  for (const { name, labels, value } of samples) {
    if (name !== 'countersign_consumer_lag_records' || !(value > 0)) continue;
    const { group = '', topic = '' } = labels;
    const known = byGroup.get(`${group} ${topic}`)?.records ?? 0;
    byGroup.set(`${group} ${topic}`, { group, topic, records: known + value });
  }
  return [...byGroup.values()];
}

function samplesOf(text: string): MetricSample[] {
  return [...text.matchAll(SAMPLE)].map(([, name = '', labels = '', value]) => ({
    name,
    labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, label = '', content = '']) => [label, content])),
    value: Number(value),
  }));
}
