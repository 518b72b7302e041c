import { type operations } from '../../api/openapi.js';
import { texts } from '../../texts/texts.js';

export type EventKind = NonNullable<NonNullable<operations['listEvents']['parameters']['query']>['type']>;

/** Each kind of event, as the description of the API has it: a kind without a text does not compile. */
const { '*': _all, ...KINDS } = texts.words.kinds satisfies Readonly<Record<EventKind, string>>;

/** The kinds of events with their texts, in the order of the texts. */
export const EVENT_KINDS = Object.entries(KINDS)
  .map(([value, label]) => ({ value, label }))
  .sort((one, other) => one.label.localeCompare(other.label));
