export { countKeyUse, keyFault, type KeyUse } from './key-use.js';
export {
  recordForeignKey,
  recordedKeyFault,
  recordKeys,
  removeKeyRecords,
  requiredKeys,
  type ConfiguredKeys,
  type KeyFault,
} from './key-checks.js';
export { openNamesKey, readNamesKey } from './names-key.js';
export { phoneTag } from './phone-tag.js';
export { identifierKeys, rekey, type IdentifierKey, type RekeyResult } from './rekey.js';
export { countToRewrap, rewrap, type RewrapOptions, type RewrapResult } from './rewrap.js';
export {
  credentialContext,
  microseconds,
  NAMES_KEY_CONTEXT,
  OWN_KEY_ID,
  profileContext,
  subjectKeyContext,
  WRAPPED_COLUMNS,
  type BoundCredential,
  type WrappedColumn,
} from './wrapped-columns.js';
