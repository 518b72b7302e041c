import { LIMIT_DIMENSIONS, OUTCOMES } from '@countersign/contracts';
import { ApiProperty } from '@nestjs/swagger';
import { IsIn, Matches } from 'class-validator';
import { Described, Field } from './described.js';
import { IsTime, Optional, TENANT_OF_EVENTS_PATTERN } from './fields.js';
import { RequestBody } from './request.pipe.js';

export const COUNT_STEPS = ['minute', 'hour', 'day'] as const;
export type CountStep = (typeof COUNT_STEPS)[number];

/** Steps of one answer at most: a day of minutes. */
export const MAX_COUNT_STEPS = 1_440;

@Described()
export class EventCountsQuery extends RequestBody {
  @Field('Only events of this tenant. A key of a tenant counts its own only')
  @Optional()
  @Matches(TENANT_OF_EVENTS_PATTERN, { message: 'must be the name of a tenant, or _installation' })
  tenant?: string;
  @Optional()
  @IsTime('Begin, rounded down to a step. Default, and earliest: 1440 steps before the end')
  from?: string;
  @Optional()
  @IsTime('End, not included. Default: now')
  to?: string;
  @Field('Length of a step, in UTC. Minutes are kept for 8 days, hours and days for 400', { default: 'hour' })
  @Optional()
  @IsIn(COUNT_STEPS, { message: `must be one of ${COUNT_STEPS.join(', ')}` })
  step?: CountStep;
}

const counts = (description: string, names: readonly string[]): object => ({
  ...{ description, type: 'object', additionalProperties: false },
  properties: Object.fromEntries(names.map((name) => [name, { type: 'integer', minimum: 1 }])),
});

/** The events of one step. A count of 0 is absent. */
export class EventCountsItem {
  @ApiProperty({ format: 'date-time', description: 'Begin of the step.' }) time!: string;
  @ApiProperty(counts('Attempts that were decided, by outcome.', OUTCOMES)) attempts!: Record<string, number>;
  @ApiProperty(counts('Requests that a limit refused, by what it counts by.', LIMIT_DIMENSIONS))
  refusals!: Record<string, number>;
  @ApiProperty(counts('Detected attacks, by kind.', ['spray', 'pin_spray', 'distributed']))
  signals!: Record<string, number>;
  @ApiProperty({ type: 'integer', description: 'Credentials that were locked.' }) locked!: number;
  @ApiProperty({ type: 'integer', description: 'Credentials that reached the cap of consecutive failures.' })
  disabled!: number;
}

export class EventCounts {
  @ApiProperty({ enum: COUNT_STEPS, type: 'string' }) step!: CountStep;
  @ApiProperty({ format: 'date-time', description: 'Begin of the first step that was counted.' }) from!: string;
  @ApiProperty({ format: 'date-time' }) to!: string;
  @ApiProperty({ type: [EventCountsItem], description: 'Steps with an event, the oldest first.' })
  items!: EventCountsItem[];
}
