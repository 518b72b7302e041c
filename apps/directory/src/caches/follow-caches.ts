import { DirectoryCacheReported, TOPICS } from '@countersign/contracts';
import { decode, type Broker, type Follower } from '@countersign/messaging';
import { type Logger } from '@countersign/observability';
import { LiveCaches } from './live-caches.js';

/** Longer than a rebalance of the broker's leaders usually takes, and well below REPLY_TIMEOUT_MS of the REST adapter. */
const REPORT_LIMIT_MS = 3_000;
/** Most reports arrive within some tens of milliseconds. */
const SHORT_REPORT_LIMIT_MS = 300;
const SHORT_REPORT_LIMIT_FOR_MS = 60_000;
/** Far more copies of one service than an installation has. */
const MAX_CACHES_PER_SERVICE = 64;
/** A report that was older when the directory started may be from a process that has ended. */
const MAX_REPORT_AGE_MS = 60_000;

const REPORTS = new Map([[DirectoryCacheReported.type, DirectoryCacheReported]]);

/**
 * Reads the reports of all caches from now on.
 * @throws ServiceError BROKER_UNAVAILABLE
 */
export async function followCaches(
  broker: Broker,
  logger: Logger,
  onFatal: (error: Error) => void,
): Promise<{ readonly caches: LiveCaches; readonly follower: Follower }> {
  const caches = new LiveCaches({
    limitMs: REPORT_LIMIT_MS,
    shortLimitMs: SHORT_REPORT_LIMIT_MS,
    shortForMs: SHORT_REPORT_LIMIT_FOR_MS,
    maxPerService: MAX_CACHES_PER_SERVICE,
    onLate: (services) => logger.warn({ services }, 'a change was confirmed before these services had reported it'),
    onTooMany: (service) =>
      logger.warn({ service }, 'a service reports too many directory caches: the oldest ones are not awaited'),
  });
  const oldest = broker.now() - MAX_REPORT_AGE_MS;
  const follower = await broker.follow(
    TOPICS.directoryCaches.name,
    (record) => {
      if (record.timestamp < oldest) return;
      try {
        caches.apply(decode(record, REPORTS) as DirectoryCacheReported);
      } catch (error) {
        // Costs at most the wait for one change. Failing here would let any service stop the directory.
        logger.warn({ err: error }, 'a report of a directory cache was ignored');
      }
    },
    onFatal,
  );
  return { caches, follower };
}
