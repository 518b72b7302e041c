import { phoneDigest, type KeyedHash } from '@countersign/crypto';

/** Injects the `KeyedHash` under the key of the tables, which no other service has: names in rows. */
export const TABLE_NAMES = Symbol('names in tables');
/** Injects the `KeyedHash` of IDENTIFIER_KEY: names in events. */
export const EVENT_NAMES = Symbol('names in events');

/**
 * Names of commands, callers and telephone numbers in the tables, under the names key.
 *
 * Senders choose the digests. Each kind of name has a purpose of its own, so no digest yields the hash of anything else. Under a
 * shared purpose, a sender could submit the digest of a reply tag or of a fingerprint as the id of its command, and read the
 * hash in the row of that command.
 */
export const storedCommandId = (names: KeyedHash, digest: string): string => names.hash('stored command', digest);

export const storedCaller = (names: KeyedHash, digest: string): string => names.hash('stored caller', digest);

/** @param digest `phoneDigest` of the number */
export const storedPhone = (names: KeyedHash, digest: string): string => names.hash('stored phone', digest);

/** @param e164 the number in E.164 */
export const storedPhoneOf = (names: KeyedHash, tenant: string, e164: string): string =>
  storedPhone(names, phoneDigest(tenant, e164));
