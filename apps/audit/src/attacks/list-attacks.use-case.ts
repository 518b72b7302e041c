import { Injectable } from '@nestjs/common';
import { type FactKind } from '@countersign/contracts';
import { OpenPersonalData } from '../personal-data/open-personal-data.use-case.js';
import { ReadRecords, type EventReader } from '../search/read-events.use-case.js';
import { EventLog, type EventFilters, type LoggedEvent } from '../search/search.ports.js';
import { attacksOf, type AttackEvent, type AttackReport } from './attacks.decision.js';

/** How far back attacks are listed, in milliseconds. */
const SEARCHED_MS = 86_400_000;
/** Most events of each kind that are read. Each kind has an index, so a read costs no more than these. */
const MOST_READ = {
  'signal.spray': 100,
  'signal.pin_spray': 100,
  'signal.distributed': 100,
  'limit.tightened': 100,
  'limit.refused': 500,
} as const satisfies Partial<Record<FactKind, number>>;

/** Lists the attacks of the last day from the events about them. The list is a read of events, and recorded as one. */
@Injectable()
export class ListAttacks {
  constructor(
    private readonly log: EventLog,
    private readonly personalData: OpenPersonalData,
    private readonly records: ReadRecords,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async list(reader: EventReader, own: Pick<EventFilters, 'tenant'>, now: Date): Promise<AttackReport> {
    const from = new Date(now.getTime() - SEARCHED_MS);
    const found: LoggedEvent[] = [];
    for (const [type, limit] of Object.entries(MOST_READ)) {
      const filters = { ...own, type, from: from.toISOString() };
      found.push(...(await this.log.page(reader.tenant, filters, { order: 'desc', limit })));
    }
    await this.records.record('audit.read', reader, { ...own, type: '', from: '' }, { count: found.length });
    const opened = await this.personalData.open(found.map((event) => ({ ...event, eventId: event.id })));
    const events = found.map((event, at): AttackEvent => ({
      ...event,
      fields: { ...unmappedOf(event.value), ...opened[at]?.personal },
    }));
    return attacksOf(events, from, now);
  }
}

/** The product wrote the bytes, so they are an event in OCSF. */
function unmappedOf(value: Buffer): Readonly<Record<string, unknown>> {
  return (JSON.parse(value.toString()) as { readonly unmapped?: Readonly<Record<string, unknown>> }).unmapped ?? {};
}
