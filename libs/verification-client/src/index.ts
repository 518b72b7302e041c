export { AdapterKeys } from './adapter-keys.js';
export { type ReceivedAttempt, type SubmittedSecret } from './attempt.js';
export { keyCorrection, KeyComparison } from './key-comparison.js';
export { openVerificationClient } from './open-verification-client.js';
export { AdapterRefusalCache, type RefusableRequest } from './refusal-cache.js';
export { VerificationClient, type AttemptDecision } from './verification-client.js';
