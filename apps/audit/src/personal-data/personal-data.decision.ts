/** An event as JSON. */
type EventFields = Readonly<Record<string, unknown>>;

/** Fields of `unmapped` that describe the calls of a person. */
const PERSONAL_FIELDS: readonly string[] = ['caller_key', 'caller_tail', 'caller_attestation'];
/** Fields of `unmapped.detail`: a reason is free text about the subject. */
const PERSONAL_DETAILS: readonly string[] = ['reason'];
/** The reason of an erasure must outlast it, and the key of the subject does not. */
const ERASURE = 'subject.erased';

/** An event without its personal fields, and these fields in the form of `unmapped`. */
export interface DividedEvent {
  readonly event: EventFields;
  /** Undefined: there are none. */
  readonly personal: EventFields | undefined;
}

/** Divides the event of a subject. The ids of the subject and of the call stay, because events are searched by them. */
export function dividePersonalData(event: EventFields): DividedEvent {
  const [fields, personal] = divide(unmappedOf(event), PERSONAL_FIELDS);
  const isErasure = objectOf(event['metadata'])['event_code'] === ERASURE;
  const [detail, personalDetail] = divide(objectOf(fields['detail']), isErasure ? [] : PERSONAL_DETAILS);
  const hasDetail = Object.keys(personalDetail).length > 0;
  if (hasDetail) personal['detail'] = personalDetail;
  if (Object.keys(personal).length === 0) return { event, personal: undefined };
  if (hasDetail) fields['detail'] = detail;
  return { event: { ...event, unmapped: fields }, personal };
}

/** Adds the encrypted personal fields. */
export const withSealedFields = (event: EventFields, sealed: string): EventFields => ({
  ...event,
  unmapped: { ...unmappedOf(event), sealed },
});

/** States that the event had personal fields, and that they were removed because its subject is erased. */
export const withoutErasedFields = (event: EventFields): EventFields => ({
  ...event,
  unmapped: { ...unmappedOf(event), erased: true },
});

/** What a published event says about its personal fields. */
export interface PublishedFields {
  readonly sealed: string | undefined;
  readonly isErased: boolean;
}

/** @param value the published bytes */
export function publishedFields(value: Buffer): PublishedFields {
  const { sealed, erased } = unmappedOf(objectOf(JSON.parse(value.toString())));
  return { sealed: typeof sealed === 'string' ? sealed : undefined, isErased: erased === true };
}

function divide(fields: EventFields, names: readonly string[]): [Record<string, unknown>, Record<string, unknown>] {
  const entries = Object.entries(fields);
  return [
    Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
    Object.fromEntries(entries.filter(([name]) => names.includes(name))),
  ];
}

const unmappedOf = (event: EventFields): EventFields => objectOf(event['unmapped']);

const objectOf = (value: unknown): EventFields =>
  typeof value === 'object' && value !== null ? (value as EventFields) : {};
