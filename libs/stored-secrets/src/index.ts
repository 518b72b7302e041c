export { countKeyUse, keyFault, type KeyUse } from './key-use.js';
export {
  recordForeignKey,
  recordedKeyFault,
  recordKeys,
  removeKeyRecords,
  type HeldKeys,
  type KeyFault,
} from './key-checks.js';
export { countToRewrap, rewrap, type RewrapOptions, type RewrapResult } from './rewrap.js';
export {
  credentialContext,
  OWN_KEY_ID,
  PIN_HISTORY_KIND,
  profileContext,
  subjectKeyContext,
  WRAPPED_COLUMNS,
  type WrappedColumn,
} from './wrapped-columns.js';
