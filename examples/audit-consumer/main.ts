import { consumeOnce } from './consume.js';

/** Copies and verifies once. Exit code 0: the copy is whole, 1: it is not. */
const { KAFKA_BROKERS = 'localhost:9092', TOPIC_PREFIX, COPY_DIR = './copy', LOG_KEY = '', AUDIT_URL } = process.env;
const report = await consumeOnce({
  ...{ brokers: KAFKA_BROKERS.split(','), folder: COPY_DIR, logKey: LOG_KEY },
  ...(TOPIC_PREFIX !== undefined && { topicPrefix: TOPIC_PREFIX }),
  ...(AUDIT_URL !== undefined && { auditUrl: AUDIT_URL }),
});
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = report.problems.length === 0 ? 0 : 1;
