import { FACT_KINDS, MAX_PAGE_SIZE } from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, Matches } from 'class-validator';
import { Described, Field } from './described.js';
import { IsCallId, IsIdOf, IsSubjectIdField, IsTime, Optional, TENANT_OF_EVENTS_PATTERN } from './fields.js';
import { RequestBody } from './request.pipe.js';

const DEFAULT_PAGE_SIZE = 50;
const INDEX_PATTERN = /^(0|[1-9]\d{0,14})$/;
export const EXPORT_FORMATS = ['ndjson', 'csv', 'ndjson.gz'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const IsIndex =
  (meaning: string): PropertyDecorator =>
  (target, field) => {
    Field(meaning)(target, field);
    Matches(INDEX_PATTERN, { message: 'must be a whole number' })(target, String(field));
  };

/** Entries of a log that is not empty. */
const IsSize =
  (meaning: string): PropertyDecorator =>
  (target, field) => {
    Field(meaning)(target, field);
    Matches(/^[1-9]\d{0,14}$/, { message: 'must be a whole number above 0' })(target, String(field));
  };

@Described()
export class EventPath {
  @IsIdOf('Id of the event') event!: string;
}

@Described()
export class EventTenantQuery extends RequestBody {
  @Field('Only events of this tenant; `_installation`: of the installation itself. A key of a tenant sees its own only')
  @Optional()
  @Matches(TENANT_OF_EVENTS_PATTERN, { message: 'must be the name of a tenant, or _installation' })
  tenant?: string;
}

/** Which events. */
@Described()
export class EventFilterQuery extends EventTenantQuery {
  @Optional()
  @IsSubjectIdField()
  subject?: string;
  @Optional()
  @IsCallId('Only events of this telephone call')
  call?: string;
  @Field('Only events of this kind')
  @Optional()
  @IsIn(FACT_KINDS, { message: 'must be a kind of event' })
  type?: string;
  @Optional()
  @IsTime('Only events at this time or later')
  from?: string;
  @Optional()
  @IsTime('Only events before this time')
  to?: string;
}

@Described()
export class EventListQuery extends EventFilterQuery {
  @Optional()
  @IsIndex('`nextCursor` of the page before. Absent: the first page')
  cursor?: string;
  @Field('`desc`: the newest first; `asc`: the oldest first. By the index in the log', { default: 'desc' })
  @Optional()
  @IsIn(['asc', 'desc'], { message: 'must be asc or desc' })
  order?: 'asc' | 'desc';
  @Field('Most items of the page', {
    ...{ type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: DEFAULT_PAGE_SIZE, pattern: undefined },
  })
  @Optional()
  @Matches(/^([1-9]\d?|1\d\d|200)$/, { message: `must be a whole number from 1 to ${MAX_PAGE_SIZE}` })
  limit?: string;

  get size(): number {
    return Number(this.limit ?? DEFAULT_PAGE_SIZE);
  }
}

@Described()
export class EventExportQuery extends EventFilterQuery {
  @Field('`ndjson`: each line is exactly the bytes of an event, as the log holds them; `csv`: with a header', {
    default: 'ndjson',
  })
  @Optional()
  @IsIn(EXPORT_FORMATS, { message: `must be one of ${EXPORT_FORMATS.join(', ')}` })
  format?: ExportFormat;
  @Optional()
  @IsIndex('Index of an event: only later ones. Continues an export that ended early')
  cursor?: string;
}

/** Answers, for the description of the API. */
export class EventItem {
  @ApiProperty({ description: 'Id of the event everywhere: log, topic, webhooks.', format: 'uuid' }) id!: string;
  @ApiProperty({ description: 'Index in the log, from 0 without gaps.', type: 'integer' }) index!: number;
  @ApiProperty({ description: 'Kind of the event.', example: 'attempt.decided' }) type!: string;
  @ApiProperty({ format: 'date-time' }) time!: string;
  @ApiProperty({ description: 'The tenant, or `_installation`.' }) tenant!: string;
  @ApiProperty({ type: 'string', nullable: true }) subject!: string | null;
  @ApiProperty({ description: 'Id of the telephone call.', type: 'string', nullable: true }) call!: string | null;
  @ApiProperty({ description: 'The event as OCSF.', type: 'object', additionalProperties: true }) event!: object;
  @ApiPropertyOptional({
    description: 'Personal fields of the event, opened.',
    type: 'object',
    additionalProperties: true,
  })
  personal?: object;
  @ApiPropertyOptional({
    description: 'Only `true`: the personal fields cannot be read, because the subject was erased.',
  })
  erased?: boolean;
}

export class EventPage {
  @ApiProperty({ type: [EventItem] }) items!: EventItem[];
  @ApiProperty({
    description:
      'Cursor of the next page. null: there is no older event. With `asc`, the last page has one too: events that are recorded later follow it.',
    type: 'string',
    nullable: true,
  })
  nextCursor!: string | null;
}

export class EventInclusion {
  @ApiProperty({ description: 'Index of the event.', type: 'integer' }) index!: number;
  @ApiProperty({ description: 'Size of the log in the checkpoint.', type: 'integer' }) size!: number;
  @ApiProperty({ description: 'Inclusion proof (RFC 6962), base64, from the leaf up.', type: [String] })
  hashes!: string[];
  @ApiProperty({ description: 'The signed checkpoint.' }) checkpoint!: string;
}

export class EventProof extends EventInclusion {
  @ApiProperty({ description: 'The exact bytes of the event, base64.' }) value!: string;
}

export class ProvenEventItem extends EventItem {
  @ApiProperty({ description: 'null until a checkpoint covers the event.', type: EventInclusion, nullable: true })
  proof!: EventInclusion | null;
}

@Described()
export class LogConsistencyQuery extends EventTenantQuery {
  @IsSize('Size of the earlier log: every log continues the empty one, so 0 proves nothing') from!: string;
  @IsSize('Size of the later log, at most that of the last checkpoint') to!: string;
}

export class LogConsistency {
  @ApiProperty({ type: 'integer' }) from!: number;
  @ApiProperty({ type: 'integer' }) to!: number;
  @ApiProperty({ description: 'Consistency proof (RFC 6962), base64.', type: [String] }) hashes!: string[];
}

class SignedSize {
  @ApiProperty({ type: 'integer' }) size!: number;
  @ApiProperty({ format: 'date-time' }) signedAt!: string;
  @ApiProperty({ description: 'The signed checkpoint.' }) note!: string;
}

class LogDifference {
  @ApiProperty({ example: 'not_logged' }) difference!: string;
  @ApiProperty({ type: 'integer' }) count!: number;
}

export class LogStatus {
  @ApiProperty({ type: 'integer', description: 'Number of entries.' }) size!: number;
  @ApiProperty({ type: SignedSize, nullable: true, description: 'The last checkpoint; null before the first one.' })
  checkpoint!: SignedSize | null;
  @ApiProperty({
    type: [String],
    description:
      'Keys that verify checkpoints, the current one first, as the server states them. Trust only a key that you got another way.',
  })
  keys!: string[];
  @ApiProperty({
    format: 'date-time',
    type: 'string',
    nullable: true,
    description: 'Until when counted attempts were compared with the log.',
  })
  comparedUntil!: string | null;
  @ApiProperty({ type: [LogDifference], description: 'What does not agree. Empty: the log is complete.' })
  differences!: LogDifference[];
}
