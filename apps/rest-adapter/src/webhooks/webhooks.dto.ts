import { Clearable, IsIdOf, IsText, Optional, TenantPath, RequestBody, Described, Field } from '@countersign/api';
import {
  ALL_EVENT_TYPES,
  DELIVERY_STATES,
  DIRECTORY_STATES,
  MAX_PAGE_SIZE,
  MAX_WEBHOOK_URL_LENGTH,
  WEBHOOK_EVENT_TYPES,
  WEBHOOK_URL_PATTERN,
  type DeliveryState,
  type DirectoryState,
} from '@countersign/contracts';
import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsInt, Matches, Max, Min } from 'class-validator';

const DEFAULT_PAGE_SIZE = 50;
const DESCRIPTION = 'Text that operators read';

const IsTarget = (): PropertyDecorator => (target, field) => {
  Field(
    'Where events are sent. `https`, with the port 443 or one from 1024 on, without user name, password and fragment. Its host must have public addresses only, now and at every delivery',
    { format: 'uri', examples: ['https://hooks.example.com/countersign'] },
  )(target, field);
  Matches(WEBHOOK_URL_PATTERN, {
    message: `must be a URL of at most ${MAX_WEBHOOK_URL_LENGTH} printable ASCII characters`,
  })(target, String(field));
};

const AreEventTypes = (): PropertyDecorator => (target, field) => {
  const name = String(field);
  Field(
    `Kinds of events, or \`${ALL_EVENT_TYPES}\` alone for all of them, also for kinds that a later version adds. All but changes of resources need the scope \`audit\` too`,
  )(target, field);
  IsArray({ message: 'must be a list' })(target, name);
  ArrayMinSize(1, { message: 'must have at least 1 item' })(target, name);
  ArrayMaxSize(100, { message: 'must have at most 100 items' })(target, name);
  ArrayUnique({ message: 'must not name a kind twice' })(target, name);
  IsIn(WEBHOOK_EVENT_TYPES, { each: true, message: `must hold kinds of events, or ${ALL_EVENT_TYPES}` })(target, name);
};

@Described()
export class WebhookPath extends TenantPath {
  @IsIdOf('Id of the webhook') webhook!: string;
}

@Described()
export class DeliveryPath extends WebhookPath {
  @IsIdOf('Id of the delivery') delivery!: string;
}

/** All kinds of events leave no room for others. */
const ALL_ALONE = {
  anyOf: [
    { properties: { eventTypes: { maxItems: 1 } } },
    { properties: { eventTypes: { items: { not: { const: ALL_EVENT_TYPES } } } } },
  ],
};

@Described({
  ...ALL_ALONE,
  examples: [
    {
      url: 'https://hooks.example.com/countersign',
      eventTypes: ['attempt.decided', 'credential.locked'],
      description: 'CRM',
    },
  ],
})
export class WebhookBody extends RequestBody {
  @IsTarget() url!: string;
  @AreEventTypes() eventTypes!: string[];
  @Optional() @IsText(DESCRIPTION) description?: string;
}

/** A merge patch (RFC 7396). */
@Described({ ...ALL_ALONE, examples: [{ eventTypes: ['*'], description: null }] })
export class WebhookPatchBody extends RequestBody {
  @Optional() @IsTarget() url?: string;
  @Optional() @AreEventTypes() eventTypes?: string[];
  @Clearable() @IsText(`${DESCRIPTION}. Null removes it`) description?: string | null;
}

@Described({ examples: [{ graceSeconds: 3600 }] })
export class RotateSecretBody extends RequestBody {
  static override readonly isOptional = true;

  @Field('How long deliveries are signed with the old secret too. Default: 86400')
  @Optional()
  @IsInt({ message: 'must be a whole number' })
  @Min(0, { message: 'must be at least 0' })
  @Max(604_800, { message: 'must be at most 604800' })
  graceSeconds: number = 86_400;
}

/** Its values are texts. */
class PageQuery {
  @Field('Most items of the page', {
    ...{ type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: DEFAULT_PAGE_SIZE, pattern: undefined },
  })
  @Optional()
  @Matches(/^([1-9]\d?|1\d\d|200)$/, { message: `must be a whole number from 1 to ${MAX_PAGE_SIZE}` })
  limit?: string;
}

@Described()
export class WebhookListQuery extends PageQuery {
  @Optional() @IsIdOf('`nextCursor` of the page before. Absent: the first page') cursor?: string;
  @Field('Only webhooks in this state')
  @Optional()
  @IsIn(DIRECTORY_STATES, { message: `must be ${DIRECTORY_STATES.join(' or ')}` })
  state?: DirectoryState;
}

@Described()
export class DeliveryListQuery extends PageQuery {
  @Field('`nextCursor` of the page before. Absent: the first page')
  @Optional()
  @Matches(/^[1-9]\d{0,17}$/, { message: 'must be a cursor that the API returned' })
  cursor?: string;
  @Field('Only deliveries in this state')
  @Optional()
  @IsIn(DELIVERY_STATES, { message: `must be ${DELIVERY_STATES.join(', ')}` })
  state?: DeliveryState;
}

/** The fields of the command for one page. */
export function pageOf<State extends string>(query: {
  limit?: string;
  cursor?: string;
  state?: State;
}): { limit: number; cursor?: string; state?: State } {
  const { limit = DEFAULT_PAGE_SIZE, cursor, state } = query;
  return { limit: Number(limit), ...(cursor !== undefined && { cursor }), ...(state !== undefined && { state }) };
}

const DATE = { format: 'date-time' } as const;
const OPTIONAL_DATE = { type: 'string', format: 'date-time', nullable: true } as const;
const NEXT_CURSOR = {
  type: 'string',
  nullable: true,
  description: 'The cursor of the next page. Null: no further page.',
} as const;

export class WebhookState {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty() tenant!: string;
  @ApiProperty({ format: 'uri' }) url!: string;
  @ApiProperty({ type: [String], description: 'Kinds of events, or `*`. Sorted.' }) eventTypes!: string[];
  @ApiProperty({ type: 'string', nullable: true }) description!: string | null;
  @ApiProperty({ type: 'string', enum: DIRECTORY_STATES }) state!: DirectoryState;
  @ApiProperty({
    type: 'string',
    nullable: true,
    enum: ['operator', 'failing', 'gone', null],
    description: '`failing`: all attempts had failed for too long. `gone`: the receiver answered 410. Null: enabled.',
  })
  disabledReason!: string | null;
  @ApiProperty({ ...OPTIONAL_DATE, description: 'Since when all attempts fail. Null: the last one succeeded.' })
  failingSince!: string | null;
  @ApiProperty(DATE) createdAt!: string;
}

export class WebhookWithSecret extends WebhookState {
  @ApiProperty({
    readOnly: true,
    description: 'The signing secret (Standard Webhooks). Shown once.',
    pattern: '^whsec_[A-Za-z0-9+/]+=*$',
  })
  secret!: string;
}

export class WebhookPage {
  @ApiProperty({ type: [WebhookState] }) items!: WebhookState[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}

export class DeliveryAttemptState {
  @ApiProperty(DATE) at!: string;
  @ApiProperty({ required: false, type: 'integer', description: 'HTTP status of the answer.' }) status?: number;
  @ApiProperty({
    required: false,
    enum: ['target', 'dns', 'timeout', 'tls', 'connection', 'secret'],
    description: 'Why there was no answer. `target`: the address is not allowed, so nothing was sent.',
  })
  error?: string;
  @ApiProperty({ type: 'integer', description: 'Duration of the attempt in milliseconds.' }) milliseconds!: number;
}

export class DeliveryResource {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid', description: 'Id of the event: the header `webhook-id`.' }) eventId!: string;
  @ApiProperty({ description: 'Type of the event, such as `countersign.attempt.decided.v1`.' }) eventType!: string;
  @ApiProperty({ type: 'string', enum: DELIVERY_STATES }) state!: DeliveryState;
  @ApiProperty({ type: [DeliveryAttemptState], description: 'The last 50 attempts.' })
  attempts!: DeliveryAttemptState[];
  @ApiProperty(DATE) createdAt!: string;
  @ApiProperty({ ...OPTIONAL_DATE, description: 'Null while it is pending.' }) finishedAt!: string | null;
  @ApiProperty({
    ...OPTIONAL_DATE,
    description: 'When it is sent next, or when the delivery that it waits for is. Null when it is not pending.',
  })
  nextAttemptAt!: string | null;
}

export class DeliveryPage {
  @ApiProperty({ type: [DeliveryResource] }) items!: DeliveryResource[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}
