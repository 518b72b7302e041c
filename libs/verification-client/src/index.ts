export { KeyComparison } from './key-comparison.js';
export { openVerificationClient } from './open-verification-client.js';
export { StandingRefusals, type Described } from './standing-refusals.js';
export { VerificationClient } from './verification-client.js';
