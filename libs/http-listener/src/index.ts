export * from './http-listener.js';
export * from './http-settings.js';
export * from './ops-server.js';
