import { LimitDecided, VerificationDecided } from '@countersign/contracts';
import { type Host } from '@countersign/hosting';
import { type BusClient } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { type KeyedHash, type PayloadSealer } from '@countersign/crypto';
import { SteadyClock } from '@countersign/runtime';
import { AdapterRefusalCache } from './refusal-cache.js';
import { VerificationClient } from './verification-client.js';

/** How often what was refused here is handed to the limiter, in milliseconds. */
const HAND_OVER_MS = 2_000;

/**
 * The client of a front door over its bus; closed with the host, and then nothing that was counted is left.
 * @param timeoutMs how long an answer is awaited, in milliseconds
 */
export function openVerificationClient(
  host: Host,
  bus: BusClient,
  hash: KeyedHash,
  sealer: PayloadSealer,
  timeoutMs: number,
): VerificationClient {
  const clock = new SteadyClock();
  const refusals = new AdapterRefusalCache(
    hash,
    clock,
    (counted) => bus.publish(counted.map((message) => ({ message }))),
    (dimension) => METRICS.limitDecisions.inc({ outcome: 'refused', dimension, source: 'adapter' }),
  );
  const hide = METRICS.refusalCacheSize.read(() => [{ labels: { service: host.name }, value: refusals.size }]);
  const handOver = (): Promise<void> =>
    refusals
      .flush()
      .catch((error: unknown) => host.logger.warn({ err: error }, 'counted refusals wait: publishing failed'));
  const timer = setInterval(() => void handOver(), HAND_OVER_MS);
  host.onClose(async () => {
    clearInterval(timer);
    hide();
    await handOver();
  });
  return new VerificationClient(
    (request) => bus.request(request, VerificationDecided, timeoutMs),
    (request) => bus.request(request, LimitDecided, timeoutMs),
    refusals,
    sealer,
    hash,
    clock,
  );
}
