import { Injectable } from '@nestjs/common';
import { type FactRecorded } from '@countersign/contracts';
import { dividePersonalData, withoutErasedFields, withSealedFields } from './personal-data.decision.js';
import { PersonalDataVault } from './personal-data.ports.js';

/** Gives the bytes of an event to store and publish: personal fields of its subject are encrypted under the subject's key. */
@Injectable()
export class SealPersonalData {
  constructor(private readonly vault: PersonalDataVault) {}

  /**
   * An erasure destroys the key of the subject first, so it takes effect before anybody reads its event.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async valueOf(fact: FactRecorded, event: Readonly<Record<string, unknown>>): Promise<Buffer> {
    return Buffer.from(JSON.stringify(await this.#sealed(fact, event)));
  }

  async #sealed(
    { factId: eventId, kind, tenant, subject, time }: FactRecorded,
    event: Readonly<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, unknown>>> {
    if (subject === undefined) return event;
    if (kind === 'subject.erased') await this.vault.erase({ tenant, subject, time });
    const { event: rest, personal } = dividePersonalData(event);
    if (personal === undefined) return event;
    const sealed = await this.vault.seal({ eventId, tenant, subject, time, fields: JSON.stringify(personal) });
    return sealed === undefined ? withoutErasedFields(rest) : withSealedFields(rest, sealed);
  }
}
