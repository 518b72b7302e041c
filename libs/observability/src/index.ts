export * from './logger.js';
export * from './health.js';
export * from './ops-server.js';
export * from './metrics.js';
