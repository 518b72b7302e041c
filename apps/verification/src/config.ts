import { IsInt, IsOptional, Length, Max, Min } from 'class-validator';
import { IsPublicUrl, IsSecret, StoreSettings } from '@countersign/hosting';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';

export class VerificationSettings extends StoreSettings {
  @IsSecret()
  @Hint('id:key[,id:key…], each key 32 random bytes as base64url; the first one encrypts')
  CREDENTIAL_KEYS!: Secret;

  @IsSecret()
  @Hint('a JSON Web Key Set with private X25519 keys; npm run countersign -- secrets create DIR makes one')
  SEALING_PRIVATE_KEYS!: Secret;

  @IsSecret()
  @Hint('32 random bytes as base64url, the same for the adapters and the verification service')
  IDENTIFIER_KEY!: Secret;

  @IsSecret()
  @Hint('a JSON Web Key Set with private Ed25519 keys; npm run countersign -- secrets create DIR makes one')
  RECEIPT_KEYS!: Secret;

  /** How long a receipt is good, in seconds; the contract allows no more than five minutes. */
  @IsInt() @Min(10) @Max(300) RECEIPT_SECONDS: number = 300;
  /** Who a receipt says it is from. */
  @IsOptional() @Length(1, 255) RECEIPT_ISSUER?: string;

  @Hint('the address of the installation, for example https://verify.example.com')
  @IsOptional()
  @IsPublicUrl()
  PUBLIC_URL?: string;

  /** argon2id memory of one hash. Below OWASP's minimum nothing starts. */
  @IsInt() @Min(19_456) @Max(1_048_576) HASH_MEMORY_KIB: number = 19_456;
  @IsInt() @Min(2) @Max(10) HASH_PASSES: number = 2;
  @IsInt() @Min(1) @Max(16) HASH_LANES: number = 1;
  /**
   * Hashes that are handed to the thread pool at a time; 0: as many as suit it. Where the pool has no more threads than
   * the machine has cores, twice as many, so that a thread never waits for the event loop; else one for each core.
   */
  @IsInt() @Min(0) @Max(256) HASH_CONCURRENCY: number = 0;
  /** Threads of the pool, as libuv reads it: best the number of cores. Set before the process starts. */
  @IsInt() @Min(1) @Max(1024) UV_THREADPOOL_SIZE: number = 4;
  /** Guesses that may wait for a hash; beyond it the answer is `unavailable`. */
  @IsInt() @Min(0) @Max(10_000) HASH_QUEUE: number = 256;
  /** How often what can have no effect any more is removed. */
  @IsInt() @Min(1) @Max(86_400) PRUNE_SECONDS: number = 3_600;
  /** A counter at a reference that nobody answers to is removed when it was not touched for so long. */
  @IsInt() @Min(1) @Max(3_650) DECOY_DAYS: number = 37;
  /** Ids of management commands are kept for so long: longer than the bus keeps a command. */
  @IsInt() @Min(1) @Max(3_650) INBOX_DAYS: number = 8;
  /** Attempts and enrolments worked on at once, and as many other commands. One tenant alone gets half of the places. */
  @IsInt() @Min(1) @Max(4096) MAX_IN_FLIGHT: number = 256;
}

/** Hashes at a time, for the machine that this is. */
export function hashConcurrency(settings: VerificationSettings, cores: number): number {
  if (settings.HASH_CONCURRENCY > 0) return settings.HASH_CONCURRENCY;
  return settings.UV_THREADPOOL_SIZE <= cores ? settings.UV_THREADPOOL_SIZE * 2 : cores;
}

/** What to change when the threads do not suit the hashes; undefined: they do. */
export function poolAdvice(settings: VerificationSettings, concurrency: number, cores: number): string | undefined {
  const threads = settings.UV_THREADPOOL_SIZE;
  if (concurrency > threads * 2) {
    return `HASH_CONCURRENCY is ${concurrency}, but UV_THREADPOOL_SIZE only ${threads}: the rest waits for a thread`;
  }
  if (threads >= cores) return undefined;
  return `UV_THREADPOOL_SIZE is ${threads} on ${cores} cores, which hash no faster than ${threads}: set it before the start`;
}

/** The `iss` of receipts: what is set for them, else the address of the installation, else a name that is nobody's. */
export function receiptIssuer({ RECEIPT_ISSUER, PUBLIC_URL }: VerificationSettings): string {
  return RECEIPT_ISSUER ?? PUBLIC_URL?.replace(/\/+$/, '') ?? 'urn:countersign';
}
