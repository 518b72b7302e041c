import { LIMIT_DIMENSIONS } from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { Described, Field } from './described.js';
import { Optional, TENANT_OF_EVENTS_PATTERN } from './fields.js';
import { RequestBody } from './request.pipe.js';

@Described()
export class AttacksQuery extends RequestBody {
  @Field('Only attacks on this tenant. A key of a tenant sees its own only')
  @Optional()
  @Matches(TENANT_OF_EVENTS_PATTERN, { message: 'must be the name of a tenant, or _installation' })
  tenant?: string;
}

/** Whom an event is about, as far as it names them. */
class NamedParties {
  @ApiProperty() tenant!: string;
  @ApiPropertyOptional() agent?: string;
  @ApiPropertyOptional({ description: 'Id of the subject.' }) subject?: string;
  @ApiPropertyOptional({ description: 'Keyed hash of the subject reference.' }) subjectKey?: string;
  @ApiPropertyOptional({ description: 'Keyed hash of the caller.' }) callerKey?: string;
  @ApiPropertyOptional({ description: 'Last two digits of the number of the caller.' }) callerTail?: string;
  @ApiPropertyOptional({ description: 'Id of the telephone call.' }) callId?: string;
}

export class AttackSignal extends NamedParties {
  @ApiProperty({ format: 'uuid', description: 'Id of the event.' }) id!: string;
  @ApiProperty({ type: 'string', enum: ['signal.spray', 'signal.pin_spray', 'signal.distributed'] }) type!: string;
  @ApiProperty({ format: 'date-time' }) time!: string;
  @ApiPropertyOptional({ type: 'integer', description: 'Distinct subjects, of a spray.' }) subjects?: number;
  @ApiPropertyOptional({ type: 'integer', description: 'Distinct callers, of distributed guessing.' }) callers?: number;
  @ApiPropertyOptional({ type: 'integer', description: 'Window in which they were counted, in seconds.' })
  withinSeconds?: number;
}

export class TightenedTenant {
  @ApiProperty() tenant!: string;
  @ApiProperty({ format: 'date-time' }) since!: string;
  @ApiProperty({ format: 'date-time' }) until!: string;
  @ApiProperty({ type: 'integer', description: 'Seconds until the limits of the policy apply again.' })
  endsInSeconds!: number;
}

export class RefusedParty extends NamedParties {
  @ApiProperty({ type: 'string', enum: LIMIT_DIMENSIONS, description: 'What the limit counts by.' }) dimension!: string;
  @ApiProperty({ type: 'integer', description: 'Refused requests.' }) count!: number;
  @ApiProperty({ format: 'date-time', description: 'Time of the last event about them.' }) last!: string;
}

export class Attacks {
  @ApiProperty({ format: 'date-time', description: 'Begin of the time that was searched: the last 24 hours.' })
  from!: string;
  @ApiProperty({ type: [AttackSignal], description: 'Detected attacks, the newest first; at most 100 of a kind.' })
  signals!: AttackSignal[];
  @ApiProperty({ type: [TightenedTenant], description: 'Tenants with halved limits.' }) tightened!: TightenedTenant[];
  @ApiProperty({
    type: [RefusedParty],
    description: 'What limits refused, by limit and party, the most first. From the last 500 events `limit.refused`.',
  })
  refused!: RefusedParty[];
}
