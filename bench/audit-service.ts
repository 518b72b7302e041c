import { MemoryBroker } from '@countersign/messaging';
import { start } from '../apps/audit/src/start.js';

/** The audit service as a process of its own, on a bus in its memory: for benches of its API. */
const fatal = (error: Error): never => {
  throw error;
};
const service = await start(process.env, fatal, { broker: new MemoryBroker(), ops: false });
process.once('SIGTERM', () => void service.close().then(() => process.exit()));
process.stdout.write(`ready audit=${service.urls['audit']}\n`);
