export * from './kafka.js';
export * from './postgres.js';
export * from './eventually.js';
export * from './manual-clock.js';
export * from './tcp-proxy.js';
