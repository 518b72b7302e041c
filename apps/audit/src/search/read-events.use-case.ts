import { Injectable } from '@nestjs/common';
import { factRecorded, INSTALLATION, type Actor, type FactKind } from '@countersign/contracts';
import { OpenPersonalData } from '../personal-data/open-personal-data.use-case.js';
import { eventItem } from './event-item.js';
import {
  EventLog,
  EventProofs,
  OwnFacts,
  type EventFilters,
  type EventRange,
  type LoggedEvent,
} from './search.ports.js';

/** Who reads events. */
export interface EventReader {
  readonly actor: Actor;
  /** Undefined: the administrator, who reads the events of all tenants. */
  readonly tenant: string | undefined;
}

/** An answer as JSON. The events in it are the exact published bytes. */
export type JsonText = string;

/** Records each read of events: the names of its filters, never their values. */
@Injectable()
export class ReadRecords {
  constructor(private readonly facts: OwnFacts) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  record(
    kind: FactKind & `audit.${string}`,
    { actor, tenant }: EventReader,
    filters: EventFilters,
    detail: Readonly<Record<string, string | number | boolean>>,
  ): Promise<void> {
    const fields = {
      // A tenant also sees who else reads its events.
      tenant: tenant ?? filters.tenant ?? INSTALLATION,
      ...{ actor, channel: 'rest' as const, detail: { filters: Object.keys(filters).sort().join(' '), ...detail } },
    };
    return this.facts.publish([{ message: factRecorded(kind, new Date(), fields) }]);
  }
}

/** Events as items of the API, with their personal fields opened: `personal`, or `erased` when the subject was erased. */
@Injectable()
export class EventItems {
  constructor(private readonly personalData: OpenPersonalData) {}

  /** @param more fields of each item. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async of(events: readonly LoggedEvent[], more: Readonly<Record<string, unknown>> = {}): Promise<string[]> {
    const opened = await this.personalData.open(events.map((event) => ({ ...event, eventId: event.id })));
    return events.map((event, at) => eventItem(event, { ...opened[at], ...more }));
  }
}

/** Reads pages of events, and single events with their proofs. Each read is an event itself, recorded before its answer. */
@Injectable()
export class ReadEvents {
  constructor(
    private readonly log: EventLog,
    private readonly proofs: EventProofs,
    private readonly records: ReadRecords,
    private readonly items: EventItems,
  ) {}

  /** @returns `{items, nextCursor}`. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async page(reader: EventReader, filters: EventFilters, range: EventRange): Promise<JsonText> {
    // One more than the page, to know whether there is a next one.
    const found = await this.log.page(reader.tenant, filters, { ...range, limit: range.limit + 1 });
    const events = found.slice(0, range.limit);
    await this.records.record('audit.read', reader, filters, { count: events.length });
    const last = events.at(-1)?.index ?? range.cursor;
    // Events that are recorded later follow the newest one, so an ascending list never ends.
    const isOver = last === undefined || (range.order === 'desc' && found.length <= range.limit);
    const items = (await this.items.of(events)).join(',');
    return `{"items":[${items}],"nextCursor":${isOver ? 'null' : `"${last}"`}}`;
  }

  /** @returns undefined: there is no such event for this reader */
  async one(reader: EventReader, id: string): Promise<JsonText | undefined> {
    const event = await this.log.event(reader.tenant, id);
    if (event === undefined) return undefined;
    await this.records.record('audit.read', reader, {}, { event: id, count: 1 });
    const proof = await this.proofs.prove(event.index);
    const json = proof && { index: event.index, ...proof, hashes: proof.hashes.map((hash) => hash.toString('base64')) };
    const [item = ''] = await this.items.of([event], { proof: json ?? null });
    return item;
  }

  /** @returns undefined: there is no such event for this reader; null: no checkpoint covers it yet */
  async proof(reader: EventReader, id: string): Promise<JsonText | null | undefined> {
    const event = await this.log.event(reader.tenant, id);
    if (event === undefined) return undefined;
    const proof = await this.proofs.prove(event.index);
    if (proof === undefined) return null;
    await this.records.record('audit.read', reader, {}, { event: id, count: 1 });
    const hashes = proof.hashes.map((hash) => hash.toString('base64'));
    return JSON.stringify({ index: event.index, ...proof, hashes, value: event.value.toString('base64') });
  }
}
