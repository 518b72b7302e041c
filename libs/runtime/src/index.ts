export * from './service-error.js';
export * from './clock.js';
export * from './settings.js';
export * from './run-process.js';
export * from './tls-faults.js';
export * from './certificates.js';
export * from './run-every.js';
export * from './recent-ids.js';
