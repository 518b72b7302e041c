export * from './secret.js';
export * from './api-key.js';
export * from './keyed-hash.js';
export * from './key-check.js';
export * from './keyring.js';
export * from './sealed-payload.js';
export * from './receipt-keys.js';
export * from './reply-seal.js';
