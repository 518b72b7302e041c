export * from './service-error.js';
export * from './clock.js';
export * from './settings.js';
export * from './run-process.js';
export * from './tls-faults.js';
export * from './recent-ids.js';
