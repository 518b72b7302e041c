import { Controller, Get, Header, Param, Query, Req, Res } from '@nestjs/common';
import {
  actorOf,
  Authenticator,
  checkAccess,
  EventExportQuery,
  EventFilterQuery,
  EventListQuery,
  EventPath,
  EventTenantQuery,
  invalid,
  Problem,
  Requires,
  visibleTenant,
  type ClientRequest,
  type ExportFormat,
} from '@countersign/api';
import { type FastifyReply } from 'fastify';
import { type Readable } from 'node:stream';
import { ExportEvents } from './export-events.use-case.js';
import { FollowEvents } from './follow-events.use-case.js';
import { ReadEvents, type EventReader } from './read-events.use-case.js';
import { type EventFilters } from './search.ports.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const EXPORT_TYPES: Readonly<Record<ExportFormat, string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8; header=present',
  'ndjson.gz': 'application/gzip',
};

/** Search, live stream and export of events. A key of a tenant sees the events of its tenant alone. */
@Controller('v1/events')
export class EventsController {
  constructor(
    private readonly readEvents: ReadEvents,
    private readonly exportEvents: ExportEvents,
    private readonly followEvents: FollowEvents,
    private readonly authenticator: Authenticator,
  ) {}

  @Get()
  @Requires('audit')
  @Header('content-type', JSON_TYPE)
  async list(@Query() query: EventListQuery, @Req() request: ClientRequest): Promise<string> {
    const { order = 'desc', size: limit } = query;
    const reader = readerOf(request, query);
    return this.readEvents.page(reader, filtersOf(query), { order, limit, ...cursorOf(query.cursor) });
  }

  @Get('export')
  @Requires('audit')
  async export(
    @Query() query: EventExportQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { format = 'ndjson' } = query;
    const options = { filters: filtersOf(query), format, ...cursorOf(query.cursor), checkAccess: this.#check(request) };
    const events = await this.exportEvents.export(readerOf(request, query), options);
    void reply.header('content-disposition', `attachment; filename="events.${format}"`);
    send(request, reply, EXPORT_TYPES[format], events);
  }

  @Get('stream')
  @Requires('audit')
  async stream(
    @Query() query: EventFilterQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const last = request.headers['last-event-id'];
    if (last !== undefined && !/^(0|[1-9]\d{0,14})$/.test(String(last)))
      throw invalid([{ field: 'Last-Event-ID', rule: 'must be the id of an event of this stream' }]);
    const events = await this.followEvents.follow(readerOf(request, query), {
      filters: filtersOf(query),
      ...(last !== undefined && { after: Number(last) }),
      checkAccess: this.#check(request),
    });
    send(request, reply, 'text/event-stream; charset=utf-8', events);
  }

  @Get(':event')
  @Requires('audit')
  @Header('content-type', JSON_TYPE)
  async one(
    @Param() { event }: EventPath,
    @Query() { tenant }: EventTenantQuery,
    @Req() request: ClientRequest,
  ): Promise<string> {
    const reader = { actor: actorOf(request), tenant: visibleTenant(request, tenant) };
    const found = await this.readEvents.one(reader, event);
    if (found === undefined) throw new Problem('not-found');
    return found;
  }

  @Get(':event/proof')
  @Requires('audit')
  @Header('content-type', JSON_TYPE)
  async proof(
    @Param() { event }: EventPath,
    @Query() { tenant }: EventTenantQuery,
    @Req() request: ClientRequest,
  ): Promise<string> {
    const reader = { actor: actorOf(request), tenant: visibleTenant(request, tenant) };
    const found = await this.readEvents.proof(reader, event);
    if (found === undefined) throw new Problem('not-found');
    // The next checkpoint comes within a minute, and usually within a second.
    if (found === null) throw new Problem('unavailable');
    return found;
  }

  /** A stream lasts longer than the check before it: its key may be revoked or expire during the stream. */
  #check({ headers: { authorization } }: ClientRequest): () => void {
    return () => checkAccess(this.authenticator.authenticate(authorization), 'audit', undefined);
  }
}

/** @throws Problem not-found for another tenant, so a key cannot learn which tenants exist */
function readerOf(request: ClientRequest, filters: EventFilters): EventReader {
  visibleTenant(request, filters.tenant);
  return { actor: actorOf(request), tenant: request.client?.tenant };
}

function filtersOf({ tenant, subject, call, type, from, to }: EventFilterQuery): EventFilters {
  return Object.fromEntries(
    Object.entries({ tenant, subject, call, type, from, to }).filter(([, value]) => value !== undefined),
  );
}

function cursorOf(cursor: string | undefined): { readonly cursor?: number } {
  return cursor === undefined ? {} : { cursor: Number(cursor) };
}

function send(request: ClientRequest, reply: FastifyReply, type: string, body: Readable): void {
  const isHead = request.method === 'HEAD';
  // Fastify reads the whole stream, also for an answer without a body.
  if (isHead) body.destroy();
  // A proxy that gathers an answer before it sends it would delay live events.
  void reply.headers({ 'content-type': type, 'x-accel-buffering': 'no' }).send(isHead ? undefined : body);
}
