import { Injectable } from '@nestjs/common';
import { publishedFields } from './personal-data.decision.js';
import { PersonalDataVault } from './personal-data.ports.js';

/** A stored event. */
export interface StoredEvent {
  readonly eventId: string;
  readonly tenant: string;
  readonly subject: string | null | undefined;
  /** The published bytes. */
  readonly value: Buffer;
}

/** What a reader gets beside the exact bytes of an event. Both are absent for an event without personal fields. */
export interface PersonalData {
  /** The decrypted fields, in the form of `unmapped`. */
  readonly personal?: Readonly<Record<string, unknown>>;
  /** The personal fields cannot be decrypted any more, because the subject was erased. */
  readonly erased?: true;
}

/** Opens the personal fields of events for a reader who may read them. */
@Injectable()
export class OpenPersonalData {
  constructor(private readonly vault: PersonalDataVault) {}

  /**
   * Costs one statement for all events, and none when no event has sealed fields.
   * @returns one result for each event, in order
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async open(events: readonly StoredEvent[]): Promise<PersonalData[]> {
    const published = events.map(({ value }) => publishedFields(value));
    const sealed = events.flatMap(({ eventId, tenant, subject }, at) => {
      const field = published[at]?.sealed;
      return field === undefined || !subject ? [] : [{ at, eventId, tenant, subject, sealed: field }];
    });
    const opened = sealed.length === 0 ? [] : await this.vault.open(sealed);
    const results = published.map(({ isErased }): PersonalData => (isErased ? { erased: true } : {}));
    sealed.forEach(({ at }, index) => {
      const fields = opened[index];
      if (fields === 'erased') results[at] = { erased: true };
      else if (fields !== undefined && fields !== 'unreadable')
        results[at] = { personal: JSON.parse(fields.fields) as Record<string, unknown> };
    });
    return results;
  }
}
