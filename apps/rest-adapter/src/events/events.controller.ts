import { Controller, Get, Header, Param, Query, Req, Res, type OnModuleDestroy } from '@nestjs/common';
import {
  Attacks,
  AttacksQuery,
  EventCounts,
  EventCountsQuery,
  EventExportQuery,
  EventFilterQuery,
  EventListQuery,
  EventPage,
  EventPath,
  EventProof,
  EventTenantQuery,
  LogConsistency,
  LogConsistencyQuery,
  LogStatus,
  Problems,
  ProvenEventItem,
  Requires,
  type ClientRequest,
} from '@countersign/api';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { AuditService } from './audit-service.js';

const TEXT = { type: 'string' } as const;

/** The console opens an export in a frame of its page, so the browser stores the file while it arrives. */
const EXPORT_POLICY = "default-src 'none'; frame-ancestors 'self'";

/**
 * The API of the audit log. The audit service reads and answers; here a request without a valid key, or with a query of the
 * wrong form, ends early.
 */
@ApiTags('events')
@Controller()
export class AuditLogController implements OnModuleDestroy {
  constructor(private readonly audit: AuditService) {}

  onModuleDestroy(): void {
    this.audit.close();
  }

  @Get('v1/events')
  @Requires('audit')
  @ApiOperation({
    summary: 'Search events',
    description:
      'Pages in the order of the indexes in the log. No event is skipped or doubled, also while events are recorded. Each read is an event itself.',
  })
  @ApiOkResponse({ type: EventPage, description: 'A page of events.' })
  @Problems('unavailable')
  listEvents(
    @Query() _query: EventListQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/events/export')
  @Requires('audit')
  @Header('content-security-policy', EXPORT_POLICY)
  @ApiOperation({
    summary: 'Export events, the oldest first',
    description:
      'The answer is a stream. It has the events that the log has when the export begins. An export that fails breaks off; continue it with the index of its last event as the cursor.',
  })
  @ApiProduces('application/x-ndjson', 'text/csv', 'application/gzip')
  @ApiOkResponse({ description: 'One line per event.', schema: TEXT })
  @Problems('quota-exceeded', 'unavailable')
  exportEvents(
    @Query() _query: EventExportQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply, true);
  }

  @Get('v1/events/stream')
  @Requires('audit')
  @ApiOperation({
    summary: 'Follow events live',
    description:
      'Server-sent events: `id` is the index in the log, `event` the kind, `data` the item as the search has it. The stream ends when the key is revoked.',
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'Index of the last event that the client has: the stream continues after it. Absent: from now on.',
    schema: { type: 'string', pattern: '^(0|[1-9]\\d{0,14})$' },
  })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ description: 'Events as they are recorded.', schema: TEXT })
  @Problems('quota-exceeded', 'unavailable')
  followEvents(
    @Query() _query: EventFilterQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/events/counts')
  @Requires('audit')
  @ApiOperation({
    summary: 'Count events per minute, hour or day',
    description:
      'By the times of the events. Counts begin with the version that keeps them. An answer has at most 1,440 steps: an earlier `from` becomes the earliest possible one.',
  })
  @ApiOkResponse({ type: EventCounts, description: 'The steps that have events.' })
  @Problems('unavailable')
  countEvents(
    @Query() _query: EventCountsQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/attacks')
  @Requires('audit')
  @ApiOperation({
    summary: 'List the attacks of the last 24 hours',
    description:
      'Detected attacks, tenants with tightened limits, and what limits refused. Each read is an event itself.',
  })
  @ApiOkResponse({ type: Attacks, description: 'Signals, tightened limits, refusals.' })
  @Problems('unavailable')
  listAttacks(@Query() _query: AttacksQuery, @Req() request: ClientRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/events/:event')
  @Requires('audit')
  @ApiOperation({ summary: 'Read an event with its proof' })
  @ApiOkResponse({ type: ProvenEventItem, description: 'The event.' })
  @Problems('unavailable')
  readEvent(
    @Param() _path: EventPath,
    @Query() _query: EventTenantQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/events/:event/proof')
  @Requires('audit')
  @ApiOperation({
    summary: 'Prove that an event is in the signed log',
    description: '503 until a checkpoint covers the event, usually for less than a second.',
  })
  @ApiOkResponse({ type: EventProof, description: 'Bytes, proof and checkpoint.' })
  @Problems('unavailable')
  proveEvent(
    @Param() _path: EventPath,
    @Query() _query: EventTenantQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/log')
  @Requires('audit')
  @ApiOperation({
    summary: 'Read how far the log is recorded, signed and compared with the attempts that were counted',
  })
  @ApiOkResponse({ type: LogStatus, description: 'The state of the log.' })
  @Problems('unavailable')
  readLog(@Query() _query: EventTenantQuery, @Req() request: ClientRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.audit.pass(request, reply);
  }

  @Get('v1/log/consistency')
  @Requires('audit')
  @ApiOperation({ summary: 'Prove that a later log continues an earlier one' })
  @ApiOkResponse({ type: LogConsistency, description: 'The consistency proof (RFC 6962).' })
  @Problems('unavailable')
  proveConsistency(
    @Query() _query: LogConsistencyQuery,
    @Req() request: ClientRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.audit.pass(request, reply);
  }
}
