import { randomUUID } from 'node:crypto';
import {
  PersonalDataVault,
  type FieldsToSeal,
  type OpenedFields,
  type SealedFields,
  type SubjectAt,
} from '../src/personal-data/personal-data.ports.js';

interface FakeKey {
  id: string | undefined;
  erasedAt: number;
}

/** The fake of {@link PersonalDataVault} for tests of use cases. A sealed text is the id of a key, and fields only it holds. */
export class FakePersonalDataVault extends PersonalDataVault {
  readonly #keys = new Map<string, FakeKey>();
  readonly #fields = new Map<string, { readonly eventId: string; readonly tenant: string; readonly fields: string }>();

  override seal({ eventId, tenant, subject, time, fields }: FieldsToSeal): Promise<string | undefined> {
    const key = this.#keyOf(tenant, subject);
    if (Date.parse(time) <= key.erasedAt) return Promise.resolve(undefined);
    key.id ??= randomUUID();
    const sealed = `${key.id}.${randomUUID()}`;
    this.#fields.set(sealed, { eventId, tenant, fields });
    return Promise.resolve(sealed);
  }

  override erase({ tenant, subject, time }: SubjectAt): Promise<void> {
    const key = this.#keyOf(tenant, subject);
    if (key.erasedAt < Date.parse(time)) {
      key.id = undefined;
      key.erasedAt = Date.parse(time);
    }
    return Promise.resolve();
  }

  override open(sealed: readonly SealedFields[]): Promise<OpenedFields[]> {
    return Promise.resolve(
      sealed.map(({ eventId, tenant, subject, sealed: text }) => {
        if (this.#keyOf(tenant, subject).id !== text.split('.')[0]) return 'erased';
        const stored = this.#fields.get(text);
        if (stored?.eventId !== eventId || stored.tenant !== tenant) return 'unreadable';
        return { fields: stored.fields };
      }),
    );
  }

  #keyOf(tenant: string, subject: string): FakeKey {
    const name = JSON.stringify([tenant, subject]);
    const key = this.#keys.get(name) ?? { id: undefined, erasedAt: -Infinity };
    this.#keys.set(name, key);
    return key;
  }
}
