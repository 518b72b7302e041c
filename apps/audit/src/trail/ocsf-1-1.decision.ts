import { type FactRecorded, type OcsfVersion } from '@countersign/contracts';
import { toOcsf, type OcsfEvent } from './ocsf-event.decision.js';

/** Attributes that the classes of OCSF 1.1.0 do not have. The profile `security_control` came to Authentication later. */
const LATER_ATTRIBUTES: ReadonlySet<string> = new Set([
  'auth_factors',
  'action_id',
  'action',
  'disposition_id',
  'disposition',
  'policy',
  'is_alert',
]);
/** The activity Unlock of Account Change came with 1.4.0. Activity 99 (other) carries its name. */
const UNLOCK = { class_uid: 3001, activity_id: 12 };
const OTHER = 99;

/** The public form of a fact in a version of OCSF. The same fact always gives the same bytes. */
export function publicEventOf(fact: FactRecorded, version: OcsfVersion): OcsfEvent {
  const event = toOcsf(fact);
  return version === '1.1.0' ? toOcsf110(event) : event;
}

/**
 * An event of OCSF 1.8.0 as one of 1.1.0, the newest version that Amazon Security Lake reads. What 1.1.0 has no attribute for
 * is in `unmapped` under its own name, so nothing is lost.
 */
export function toOcsf110(event: OcsfEvent): OcsfEvent {
  const { metadata, actor, unmapped, ...fields } = event;
  const { profiles: _, original_event_uid: original, ...kept } = metadata as OcsfEvent;
  const isLater = ([name]: readonly [string, unknown]): boolean => LATER_ATTRIBUTES.has(name);
  const entries = Object.entries(fields);
  return {
    ...Object.fromEntries(entries.filter((entry) => !isLater(entry))),
    ...(fields['class_uid'] === UNLOCK.class_uid && fields['activity_id'] === UNLOCK.activity_id
      ? { activity_id: OTHER, type_uid: UNLOCK.class_uid * 100 + OTHER }
      : {}),
    metadata: { ...kept, version: '1.1.0' },
    ...(actor === undefined ? {} : { actor: actorOf(actor as OcsfEvent) }),
    unmapped: {
      ...(unmapped as OcsfEvent),
      ...Object.fromEntries(entries.filter(isLater)),
      ...(original === undefined ? {} : { original_event_uid: original }),
    },
  };
}

/** 1.1.0 names a program only as the one that another acted through. */
function actorOf({ app_name: program, ...actor }: OcsfEvent): OcsfEvent {
  return { ...actor, ...(program === undefined ? {} : { invoked_by: program }) };
}
