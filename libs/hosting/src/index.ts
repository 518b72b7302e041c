export { databaseTls } from './database-tls.js';
export * from './host.js';
export * from './open-broker.js';
export * from './settings.js';
export * from './is-secret.js';
export * from './address-rules.js';
export * from './refused-credentials.js';
