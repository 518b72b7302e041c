export {
  configuredCertificates,
  connectionFaults,
  databaseTls,
  kafkaSecurity,
  type ConfiguredCertificate,
} from './connection-security.js';
export * from './consume-records.js';
export * from './host.js';
export * from './open-broker.js';
export * from './settings.js';
export * from './setting-rules.js';
export * from './service-needs.js';
export * from './refused-credentials.js';
export * from './stats-query.js';
