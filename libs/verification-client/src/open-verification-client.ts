import { LimitDecided, VerificationDecided } from '@countersign/contracts';
import { type Host } from '@countersign/hosting';
import { type BusClient } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { SteadyClock } from '@countersign/runtime';
import { type AdapterKeys } from './adapter-keys.js';
import { AdapterRefusalCache } from './refusal-cache.js';
import { VerificationClient } from './verification-client.js';

/** How often the counted refusals are published to the limiter, in milliseconds. */
const PUBLISH_MS = 2_000;

/**
 * Opens the client of an adapter over its bus. Closing the host publishes the remaining counts of the refusal cache.
 * @param timeoutMs longest wait for a reply
 */
export function openVerificationClient(
  host: Host,
  bus: BusClient,
  { hash, sealer }: AdapterKeys,
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
  host.onClose(() => Promise.resolve(hide()));
  host.flushEvery(PUBLISH_MS, 'counted refusals were not published', () => refusals.flush());
  return new VerificationClient(
    (request, isProof) => bus.request(request, VerificationDecided, timeoutMs, isProof),
    (request) => bus.request(request, LimitDecided, timeoutMs),
    refusals,
    sealer,
    hash,
    clock,
  );
}
