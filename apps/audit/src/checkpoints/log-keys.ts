import { formatVerifierKey, parseVerifierKey, SIGNATURE_TYPES, type VerifierKey } from '@countersign/transparency-log';

/** Consumer group of the signed checkpoints. */
export const CHECKPOINTS_GROUP = 'audit-checkpoints';

/** What to do when checkpoints cannot be verified. */
export const NO_LOG_KEYS =
  'no checkpoint of the audit log is accepted: set LOG_PUBLIC_KEYS to the public key of the log signer';

/**
 * Reads the setting LOG_PUBLIC_KEYS.
 * @param text verifier keys, separated by commas or white space; the current one first
 * @param origin the name that every key must have
 * @throws Error without the text: it may be a private key, set by mistake
 */
export function parseLogKeys(text: string, origin: string): readonly VerifierKey[] {
  const keys = text.split(/[\s,]+/).flatMap((key) => (key === '' ? [] : [parseLogKey(key)]));
  // A checkpoint with the signature of a witness alone must not be accepted.
  if (keys.some(({ name, type }) => name !== origin || type !== SIGNATURE_TYPES.ed25519))
    throw new Error(`must hold keys of the signer of ${origin}, which is LOG_ORIGIN`);
  if (new Set(keys.map(formatVerifierKey)).size < keys.length) throw new Error('must hold each key once');
  return keys;
}

function parseLogKey(text: string): VerifierKey {
  try {
    return parseVerifierKey(text);
  } catch {
    throw new Error('must hold public keys of the form name+hash+base64');
  }
}
