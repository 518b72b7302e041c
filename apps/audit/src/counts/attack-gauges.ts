import { FACT_KINDS } from '@countersign/contracts';
import { StatsQuery, type Host } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { type EventCountLog } from './event-counts.ports.js';

/** For so long, an attack counts as going on after its signal. With `signals.stricter`, the limits of its tenant are tightened for as long. */
const ACTIVE_MINUTES = 10;
const SIGNAL_KINDS = FACT_KINDS.filter((kind) => kind.startsWith('signal.'));

/** Shows the signals of the last minutes as metrics, until the host closes. */
export function exposeAttacks(host: Host, counts: EventCountLog): void {
  const hiders = attackGauges(counts);
  host.onClose(() => Promise.resolve(hiders.forEach((hide) => hide())));
}

/** @returns what removes each of the gauges */
export function attackGauges(counts: Pick<EventCountLog, 'recentSignals'>): readonly (() => void)[] {
  const recent = new StatsQuery(() => counts.recentSignals(ACTIVE_MINUTES), undefined);
  const samplesOf =
    (field: 'signals' | 'tenants') => async (): Promise<{ labels: { kind: string }; value: number }[]> => {
      const found = await recent.read();
      return SIGNAL_KINDS.map((kind) => ({
        labels: { kind },
        value: found === undefined ? NaN : (found.find((one) => one.kind === kind)?.[field] ?? 0),
      }));
    };
  return [METRICS.attackSignals.read(samplesOf('signals')), METRICS.attackedTenants.read(samplesOf('tenants'))];
}
