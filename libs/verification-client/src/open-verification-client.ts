import { LimitDecided, VerificationDecided } from '@countersign/contracts';
import { type Host } from '@countersign/hosting';
import { type BusClient } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { type KeyedHash, type Sealer } from '@countersign/sealing';
import { SteadyClock } from '@countersign/service';
import { StandingRefusals } from './standing-refusals.js';
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
  sealer: Sealer,
  timeoutMs: number,
): VerificationClient {
  const clock = new SteadyClock();
  const refusals = new StandingRefusals(
    hash,
    clock,
    (counted) => bus.publish(counted.map((message) => ({ message }))),
    (dimension) => METRICS.limitDecisions.inc({ outcome: 'refused', dimension, source: 'adapter' }),
  );
  const hide = METRICS.overLimit.read(() => [{ labels: { service: host.name }, value: refusals.size }]);
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
    (request) => bus.ask(request, VerificationDecided, timeoutMs),
    (request) => bus.ask(request, LimitDecided, timeoutMs),
    refusals,
    sealer,
    hash,
    clock,
  );
}
