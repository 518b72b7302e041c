export { countKeyUse, keyFault, type KeyUse } from './key-use.js';
export {
  lockKeyRecords,
  NAMES_KEY_SETTING,
  recordForeignKey,
  holdsForeignKey,
  recordedKeyFault,
  recordedKeyFaults,
  recordKeys,
  removeKeyRecords,
  requiredKeys,
  schemasWithKeys,
  type ConfiguredKeys,
  type KeyFault,
} from './key-checks.js';
export { recordKeyEvent } from './key-event.js';
export { openNamesKey, phoneTag, readNamesKey } from './names-key.js';
export { identifierKeys, rekey, type IdentifierKey, type RekeyResult } from './rekey.js';
export { countToRewrap, rewrap, rewrapColumn, type RewrapOptions, type RewrapResult } from './rewrap.js';
export {
  credentialContext,
  microseconds,
  NAMES_KEY_CONTEXT,
  profileContext,
  recognizedCallerContext,
  subjectKeyContext,
  WRAPPED_COLUMNS,
  type BoundCredential,
  type WrappedColumn,
} from './wrapped-columns.js';
