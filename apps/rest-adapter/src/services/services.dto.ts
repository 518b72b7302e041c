import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

class ConsumerLag {
  @ApiProperty({ description: 'Consumer group.' }) group!: string;
  @ApiProperty({ description: 'Topic.' }) topic!: string;
  @ApiProperty({ type: 'integer', description: 'Records that the group has not finished.' }) records!: number;
}

/** A service of a process. A figure that the process does not report is absent. */
export class ServiceState {
  @ApiProperty({ description: 'Name of the process in `SERVICES_URLS`.' }) process!: string;
  @ApiProperty({ description: 'Name of the service. Of a process that does not answer: that of the process.' })
  service!: string;
  @ApiProperty({
    type: 'string',
    enum: ['ready', 'not_ready', 'unreachable'],
    description: '`unreachable`: the process gave no valid answer in time.',
  })
  status!: 'ready' | 'not_ready' | 'unreachable';
  @ApiProperty({ type: [String], description: 'Checks that fail, such as `database`.' }) failing!: string[];
  @ApiProperty({ type: [ConsumerLag], description: 'Groups with unfinished records.' }) lag!: ConsumerLag[];
  @ApiPropertyOptional({ type: 'integer', description: 'Attempts that are hashed or wait for a hash.' })
  hashLoad?: number;
  @ApiPropertyOptional({ type: 'integer', description: 'Committed records that are not yet published.' })
  outboxPending?: number;
  @ApiPropertyOptional({ type: 'number', description: 'Age of the oldest of them, in seconds.' })
  outboxAgeSeconds?: number;
}

export class ServiceList {
  @ApiProperty({ format: 'date-time', description: 'When the processes were asked. An answer is kept for 2 seconds.' })
  time!: string;
  @ApiProperty({ type: [ServiceState] }) items!: ServiceState[];
}
