export { KeyComparison } from './key-comparison.js';
export { nameGuess, sealedIdentity, type Identified, type Names } from './name-guess.js';
export { openVerificationClient } from './open-verification-client.js';
export { StandingRefusals, type Described } from './standing-refusals.js';
export { VerificationClient } from './verification-client.js';
