/** An event about an attack. */
export interface AttackEvent {
  readonly id: string;
  readonly type: string;
  readonly time: Date;
  readonly tenant: string;
  readonly subject: string | null;
  readonly call: string | null;
  /** `unmapped` of the event, with the personal fields of a subject that exists. */
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Parties {
  readonly tenant: string;
  readonly agent?: string;
  readonly subject?: string;
  readonly subjectKey?: string;
  readonly callerKey?: string;
  readonly callerTail?: string;
  readonly callId?: string;
}

/** What the API answers; `Attacks` in libs/api describes each field. */
export interface AttackReport {
  readonly from: string;
  readonly signals: (Parties & Pick<AttackEvent, 'id' | 'type'> & { readonly time: string })[];
  readonly tightened: {
    readonly tenant: string;
    readonly since: string;
    readonly until: string;
    readonly endsInSeconds: number;
  }[];
  readonly refused: (Parties & { readonly dimension: string; readonly count: number; readonly last: string })[];
}

/** @param events those of one kind in descending order */
export function attacksOf(events: readonly AttackEvent[], from: Date, now: Date): AttackReport {
  const ofKind = (prefix: string): AttackEvent[] => events.filter(({ type }) => type.startsWith(prefix));
  const signals = ofKind('signal.').sort((one, other) => Number(other.time) - Number(one.time));
  return {
    from: from.toISOString(),
    signals: signals.map((event) => ({
      ...{ id: event.id, type: event.type, time: event.time.toISOString() },
      ...partiesOf(event),
      ...numbersOf(event, ['subjects', 'callers', 'withinSeconds']),
    })),
    tightened: tightenedOf(ofKind('limit.tightened'), now),
    refused: refusedOf(ofKind('limit.refused')),
  };
}

/** The limits of a tenant stay halved until the latest end: a later signal extends the time and never shortens it. */
function tightenedOf(events: readonly AttackEvent[], now: Date): AttackReport['tightened'] {
  const byTenant = new Map<string, { since: number; until: number }>();
  for (const event of events) {
    const { seconds = 0 } = numbersOf(event, ['seconds']);
    const until = Number(event.time) + seconds * 1000;
    if (until <= Number(now)) continue;
    const known = byTenant.get(event.tenant) ?? { since: Number(event.time), until };
    byTenant.set(event.tenant, {
      since: Math.min(known.since, Number(event.time)),
      until: Math.max(known.until, until),
    });
  }
  return [...byTenant].map(([tenant, { since, until }]) => ({
    ...{ tenant, since: new Date(since).toISOString(), until: new Date(until).toISOString() },
    endsInSeconds: Math.ceil((until - Number(now)) / 1000),
  }));
}

/** The parties that a limit counts by. A refusal by a limit of subjects does not name the subject. */
const PARTIES_OF: Readonly<Record<string, readonly (keyof Parties)[]>> = {
  caller: ['callerKey', 'callerTail'],
  subjectsPerCaller: ['callerKey', 'callerTail'],
  call: ['callId', 'callerKey', 'callerTail'],
  agent: ['agent'],
  subject: ['subject', 'subjectKey'],
};

function refusedOf(events: readonly AttackEvent[]): AttackReport['refused'] {
  const byParty = new Map<string, AttackReport['refused'][number]>();
  for (const event of events) {
    const { dimension } = detailOf(event);
    if (typeof dimension !== 'string') continue;
    const named = partiesOf(event);
    const parties = Object.fromEntries(
      (PARTIES_OF[dimension] ?? []).flatMap((name) => (named[name] === undefined ? [] : [[name, named[name]]])),
    );
    const key = JSON.stringify([named.tenant, dimension, parties]);
    const known = byParty.get(key);
    const last = event.time.toISOString();
    byParty.set(key, {
      ...{ tenant: named.tenant, dimension, ...parties },
      count: (known?.count ?? 0) + (numbersOf(event, ['count'])['count'] ?? 1),
      last: known !== undefined && known.last > last ? known.last : last,
    });
  }
  return [...byParty.values()].sort((one, other) => other.count - one.count);
}

const detailOf = ({ fields }: AttackEvent): Readonly<Record<string, unknown>> =>
  typeof fields['detail'] === 'object' && fields['detail'] !== null
    ? (fields['detail'] as Readonly<Record<string, unknown>>)
    : {};

function numbersOf(event: AttackEvent, names: readonly string[]): Readonly<Record<string, number>> {
  const detail = detailOf(event);
  return Object.fromEntries(names.flatMap((name) => (typeof detail[name] === 'number' ? [[name, detail[name]]] : [])));
}

function partiesOf({ tenant, subject, call, fields }: AttackEvent): Parties {
  const texts = {
    ...{ agent: fields['agent'], subject, subjectKey: fields['subject_key'], callId: call },
    ...{ callerKey: fields['caller_key'], callerTail: fields['caller_tail'] },
  };
  const known = Object.entries(texts).filter(([, value]) => typeof value === 'string' && value !== '');
  return { tenant, ...(Object.fromEntries(known) as Omit<Parties, 'tenant'>) };
}
