export { countKeyUse, keyFault, type KeyUse } from './key-use.js';
export {
  recordForeignKey,
  recordedKeyFault,
  recordKeys,
  removeKeyRecords,
  type HeldKeys,
  type KeyFault,
} from './key-checks.js';
export { phoneTag } from './phone-tag.js';
export { countToRewrap, rewrap, type RewrapOptions, type RewrapResult } from './rewrap.js';
export {
  credentialContext,
  microseconds,
  OWN_KEY_ID,
  profileContext,
  subjectKeyContext,
  WRAPPED_COLUMNS,
  type BoundCredential,
  type WrappedColumn,
} from './wrapped-columns.js';
