export * from './certificates.js';
export * from './kafka.js';
export { type TestKafkaSecurity } from './kafka-properties.js';
export * from './postgres.js';
export * from './service-tables.js';
export * from './eventually.js';
export * from './manual-clock.js';
export * from './phone-spellings.js';
export * from './tcp-proxy.js';
