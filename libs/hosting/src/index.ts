export { databaseTls } from './connection-security.js';
export * from './host.js';
export * from './open-broker.js';
export * from './settings.js';
export * from './setting-rules.js';
export * from './refused-credentials.js';
