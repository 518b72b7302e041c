import { type SubjectImportRequested } from '@countersign/contracts';
import { type NewCredential } from '../credentials/credentials.ports.js';
import { type Profile } from '../subjects/profiles/profile.decision.js';

/** A subject to create, with its first credentials. */
export interface NewSubject {
  /** Id of its row of the import, the same whenever the row is sent again. */
  readonly rowId: string;
  readonly subject: string;
  readonly profile: Profile;
  readonly credentials: readonly Pick<NewCredential, 'kind' | 'mustChange' | 'cap' | 'hashForm' | 'wrap'>[];
}

/** Who imports, under which id. */
export type ImportOrigin = Pick<SubjectImportRequested, 'importId' | 'actor'>;

/**
 * `exists`: it was created in the meantime. `taken`: another subject has one of its numbers. `no_tenant`: the tenant is being
 * deleted, or was deleted. None of them changes anything.
 */
export type SubjectCreation = 'created' | 'repeated' | 'exists' | 'taken' | 'no_tenant';

/** A subject that exists already. */
export interface ExistingSubject {
  readonly subject: string;
  /** Undefined: its stored data was altered. */
  readonly profile: Profile | undefined;
}

/** Reads and creates many subjects of a tenant at once. */
export abstract class SubjectBatches {
  /** Those of the subjects that exist. */
  abstract find(tenant: string, subjects: readonly string[]): Promise<ReadonlyMap<string, ExistingSubject>>;
  /** Those of the commands that have taken effect. */
  abstract repeated(commandIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** The subjects that have these numbers, by number. @param phones in E.164 */
  abstract ownersOf(tenant: string, phones: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /**
   * Creates all subjects that can be created, in one transaction with their facts. A repeated row changes nothing and adds no
   * fact. Attempt counters are treated as in `SubjectStore.enrol`.
   * @param origin id of the import and who imports, for the facts
   * @param created with distinct subjects
   * @returns the results in the same order
   */
  abstract create(
    tenant: string,
    origin: ImportOrigin,
    created: readonly NewSubject[],
  ): Promise<readonly SubjectCreation[]>;
}
