export { KeyComparison } from './key-comparison.js';
export { nameGuess, sealedIdentity, type Identified, type Names } from './name-guess.js';
export { openVerificationClient } from './open-verification-client.js';
export { AdapterRefusalCache, type RefusableRequest } from './refusal-cache.js';
export { VerificationClient } from './verification-client.js';
