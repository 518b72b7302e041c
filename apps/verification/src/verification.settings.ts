import { IsInt, IsOptional, Length, Max, Min } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { IsPublicUrl, IsSecret, InboxSettings } from '@countersign/hosting';
import { Secret } from '@countersign/crypto';

export class VerificationSettings extends InboxSettings {
  @Meaning('`id:key[,id:key…]`, each key base64url of 32 random bytes; the first encrypts, all decrypt')
  @IsSecret()
  CREDENTIAL_KEYS!: Secret;

  @Meaning(
    'JSON Web Key Set with private X25519 keys; all of them open sealed payloads. `countersign secrets create` makes one',
  )
  @IsSecret()
  SEALING_PRIVATE_KEYS!: Secret;

  @Meaning('base64url of 32 random bytes, the same in both adapters, rate-limit and verification')
  @IsSecret()
  IDENTIFIER_KEY!: Secret;

  @Meaning(
    'JSON Web Key Set with Ed25519 keys; the first, private, signs receipts and answers, all verify. `countersign secrets create` makes one',
  )
  @IsSecret()
  RECEIPT_KEYS!: Secret;

  // The contract allows no more than five minutes.
  @Meaning('Lifetime of a receipt')
  @IsInt()
  @Min(10)
  @Max(300)
  RECEIPT_SECONDS: number = 300;

  @Meaning('`iss` of receipts, the same in all copies; default: `PUBLIC_URL`, without that `urn:countersign`')
  @IsOptional()
  @Length(1, 255)
  RECEIPT_ISSUER?: string;

  @Meaning('Address of the installation, for example `https://verify.example.com`')
  @IsOptional()
  @IsPublicUrl()
  PUBLIC_URL?: string;

  // The minimum is that of OWASP.
  @Meaning('argon2id memory of one hash, in KiB')
  @IsInt()
  @Min(19_456)
  @Max(1_048_576)
  HASH_MEMORY_KIB: number = 19_456;

  @Meaning('argon2id passes')
  @IsInt()
  @Min(2)
  @Max(10)
  HASH_PASSES: number = 2;

  @Meaning('argon2id lanes')
  @IsInt()
  @Min(1)
  @Max(16)
  HASH_LANES: number = 1;

  @Meaning(
    'Hashes given to the thread pool at the same time; 0: twice the threads, or one per core if the pool has more threads than the machine has cores',
  )
  @IsInt()
  @Min(0)
  @Max(256)
  HASH_CONCURRENCY: number = 0;

  @Meaning(
    'Threads that hash, in the native module and in the pool of libuv; best the number of processors that the process may use. libuv reads it when the process starts: `npm start`, `npm run service` and the image set it, a bare `node dist/…` needs it in the environment',
  )
  @IsInt()
  @Min(1)
  @Max(1024)
  UV_THREADPOOL_SIZE: number = 4;

  @Meaning(
    'Attempts that may wait for a hash; beyond it the answer is `unavailable`. Tenants, agents and callers take turns; one tenant alone gets half of the places, and what one caller has in flight at once gets a quarter of the hashes',
  )
  @IsInt()
  @Min(0)
  @Max(10_000)
  HASH_QUEUE: number = 256;

  @Meaning('Interval at which expired rows are removed, and subjects without a key get one')
  @IsInt()
  @Min(1)
  @Max(86_400)
  PRUNE_SECONDS: number = 3_600;

  @Meaning(
    'Decoys are removed after this time without an attempt; the default covers every window and lock that a policy can set',
  )
  @IsInt()
  @Min(1)
  @Max(3_650)
  DECOY_DAYS: number = 37;

  @Meaning(
    'Attempts and enrolments in progress at the same time, and as many other commands; tenants take turns, and one tenant alone gets half of the places',
  )
  @IsInt()
  @Min(1)
  @Max(4096)
  MAX_IN_FLIGHT: number = 256;
}

/** How many hashes run at the same time. @param cores of this machine */
export function hashConcurrency(settings: VerificationSettings, cores: number): number {
  if (settings.HASH_CONCURRENCY > 0) return settings.HASH_CONCURRENCY;
  return settings.UV_THREADPOOL_SIZE <= cores ? settings.UV_THREADPOOL_SIZE * 2 : cores;
}

/**
 * How many of the concurrent hashes are reserved for tenants without a running hash. Hashes beyond the number of threads wait
 * for a thread. Half as many as there are threads are enough to keep every thread busy, so the others can be reserved.
 */
export function reservedHashes(settings: VerificationSettings, concurrency: number): number {
  const threads = settings.UV_THREADPOOL_SIZE;
  return Math.max(0, Math.min(Math.ceil(threads / 2), concurrency - threads));
}

/** A warning if the number of threads does not fit the number of hashes. */
export function poolAdvice(settings: VerificationSettings, concurrency: number, cores: number): string | undefined {
  const threads = settings.UV_THREADPOOL_SIZE;
  if (concurrency > threads * 2) {
    return `HASH_CONCURRENCY is ${concurrency}, but UV_THREADPOOL_SIZE only ${threads}: the rest waits for a thread`;
  }
  if (threads >= cores) return undefined;
  return `UV_THREADPOOL_SIZE is ${threads} on ${cores} cores, which hash no faster than ${threads}: set it before the start`;
}

/** The `iss` of receipts: `RECEIPT_ISSUER`, else the address of the installation, else a fixed name. */
export function receiptIssuer({ RECEIPT_ISSUER, PUBLIC_URL }: VerificationSettings): string {
  return RECEIPT_ISSUER ?? PUBLIC_URL?.replace(/\/+$/, '') ?? 'urn:countersign';
}
