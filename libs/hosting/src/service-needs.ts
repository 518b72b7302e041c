import { type SettingKeys, type TopicSpec } from '@countersign/contracts';
import { type Database, type MigrationClass, type ReaderRole } from '@countersign/persistence';
import { type KeyFault } from '@countersign/stored-secrets';
import { type BusSettings } from './settings.js';

/** What a service does on the bus. Its rights on Kafka follow from it. */
export interface BusNeeds {
  /** The topics that it consumes, by consumer group. */
  readonly consumes: Readonly<Record<string, readonly TopicSpec[]>>;
  /** The topics that each copy reads whole. */
  readonly follows: readonly TopicSpec[];
  readonly writes: readonly TopicSpec[];
  /** `receives`: it has a reply address. `sends`: it answers to the addresses of others. */
  readonly replies: 'receives' | 'sends' | 'none';
}

/** Of the signer of the audit log. It reads no event. */
export const LOG_SIGNER_ROLE = {
  role: 'countersign_log_signer',
  schema: 'audit',
  tables: ['log_state', 'tree_heads', 'tiles'],
} as const satisfies ReaderRole;

/** What a service needs before it can work. Its start uses it, and `countersign doctor` checks it. */
export interface ServiceNeeds<S extends BusSettings = BusSettings> {
  readonly name: string;
  readonly settings: new () => S;
  readonly bus: BusNeeds;
  /** Undefined: it has no tables. */
  readonly store?: {
    readonly schema: string;
    readonly migrations: readonly MigrationClass[];
    /** As in `DatabaseOptions`. */
    readonly prefersIndexes?: boolean;
    /** Roles of other services that read these tables. */
    readonly readers?: readonly ReaderRole[];
  };
  /** The tables of another service that it reads. */
  readonly reads?: ReaderRole;
  /**
   * Builds what only the code that uses a setting can validate.
   * @throws ServiceError SETTINGS_INVALID that names every faulty setting
   */
  readKeys(settings: S): Promise<HeldKeys>;
  /** The OpenID provider at which people sign in. Undefined: it is not set. */
  openIdIssuer?(settings: S): string | undefined;
  /** Memory that hashing needs at the same time, in KiB. @param cores of the machine */
  hashMemoryKib?(settings: S, cores: number): number;
}

/** The keys in the settings of a service. None of these functions changes anything. */
export interface HeldKeys {
  /** Compares the keys with those that the tables were written with. @throws ServiceError DATABASE_UNAVAILABLE */
  storedFaults?(database: Database): Promise<KeyFault[]>;
  /** Optional settings that are not set, and what does not work without them. */
  readonly unset?: readonly KeyFault[];
  /** The public key of the log that it signs for, as text; of audit: those that it accepts. */
  readonly logKeys?: { readonly signs: string } | { readonly accepts: readonly string[] };
  /** The keys of an adapter, which it sends to verification for comparison. */
  readonly sent?: readonly SettingKeys[];
  /**
   * Of verification: the settings of an adapter with keys that do not match.
   * @param database undefined: compares only what needs no table
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  mismatches?(sent: readonly SettingKeys[], database: Database | undefined): Promise<readonly string[]>;
}

/** Every topic that a service uses, each once. */
export function topicsOf({ consumes, follows, writes }: BusNeeds): readonly TopicSpec[] {
  return [...new Set([...Object.values(consumes).flat(), ...follows, ...writes])];
}
