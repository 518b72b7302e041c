export * from './secret.js';
export * from './keyed-hash.js';
export * from './keyring.js';
export * from './sealed-message.js';
