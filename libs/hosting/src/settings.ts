import { IsIn, IsInt, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';
import { IsSecret } from './is-secret.js';

/** What every service can be told. */
export class BusSettings {
  @IsString() HOST: string = '127.0.0.1';
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) LOG_LEVEL: string = 'info';
  /** Port for health and metrics; 0 picks a free one. */
  @IsInt() @Min(0) @Max(65_535) OPS_PORT: number = 9464;
  /** `host:port` with commas between them; unset: the in-process bus of the all-in-one product. */
  @IsOptional()
  @Matches(/^[^\s,]+:\d+(,[^\s,]+:\d+)*$/, { message: '$property must be host:port[,host:port…]' })
  @Hint('for example localhost:9092; unset only in the all-in-one product')
  KAFKA_BROKERS?: string;
  /** Begins every topic and group name, so that several installations can share a cluster. */
  @Matches(/^[a-zA-Z0-9._-]{0,40}$/, { message: '$property must be at most 40 letters, digits or . _ -' })
  TOPIC_PREFIX: string = '';
  /** Partitions of a command or fact topic, when it is created: at least the number of copies of a service. */
  @IsInt() @Min(1) @Max(200) TOPIC_PARTITIONS: number = 6;
  @IsInt() @Min(1) @Max(7) TOPIC_REPLICATION: number = 1;
  /** Longest time that a record waits for others under load, in milliseconds; 0: none. */
  @IsInt() @Min(0) @Max(1000) SEND_LINGER_MS: number = 50;
  /** A copy that is not heard of for this long has left its group, in milliseconds; the broker has bounds of its own. */
  @IsInt() @Min(1000) @Max(300_000) GROUP_SESSION_TIMEOUT_MS: number = 10_000;
  /** A consumer that fetches nothing, or is in no group, for this long although the broker answers ends the process. */
  @IsInt() @Min(5) @Max(3600) CONSUMER_SILENCE_SECONDS: number = 60;
}

/** What every service with a database can be told besides. */
export class StoreSettings extends BusSettings {
  @IsSecret()
  @Hint('a PostgreSQL URL, postgres://user:password@host:port/database; npm start brings its own database')
  DATABASE_URL!: Secret;
  /** Connections to PostgreSQL, at most. */
  @IsInt() @Min(1) @Max(200) DATABASE_POOL_SIZE: number = 10;
}
