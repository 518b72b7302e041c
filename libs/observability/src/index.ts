export * from './logger.js';
export * from './health.js';
export * from './metrics.js';
export * from './trace-context.js';
export * from './tracer.js';
export * from './open-tracer.js';
