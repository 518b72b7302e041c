import {
  Equals,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { HttpSettings } from '@countersign/http-listener';
import { SASL_MECHANISMS, type SaslMechanism } from '@countersign/messaging';
import { SAMPLERS, type SamplerName } from '@countersign/observability';
import { Secret } from '@countersign/crypto';
import { IsBrokerList, IsSecret, OutlastsCommands } from './setting-rules.js';

/** Settings of every service. */
export class BusSettings extends HttpSettings {
  @Meaning('Least severe level that is logged')
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  LOG_LEVEL: string = 'info';

  @Meaning(
    '`host:port[,host:port…]`, for example `localhost:9092`. Required for a service that runs alone; the all-in-one product uses an in-process bus without it',
  )
  @IsOptional()
  @IsBrokerList()
  KAFKA_BROKERS?: string;

  @Meaning(
    'Encrypts connections to the brokers and verifies certificate chain and host name; the two cannot be separated',
  )
  @IsBoolean()
  KAFKA_TLS: boolean = false;

  @Meaning("PEM of the authorities that may sign the brokers' certificates; default: the authorities that Node trusts")
  @IsOptional()
  @IsString()
  KAFKA_TLS_CA?: string;

  @Meaning('PEM of the client certificate with its chain, for brokers that request one')
  @IsOptional()
  @IsString()
  KAFKA_TLS_CERT?: string;

  @Meaning('PEM of the private key of `KAFKA_TLS_CERT`, without a passphrase')
  @IsOptional()
  @IsSecret()
  KAFKA_TLS_KEY?: Secret;

  @Meaning('SASL mechanism; `PLAIN` requires TLS')
  @IsOptional()
  @IsIn([...SASL_MECHANISMS])
  KAFKA_SASL_MECHANISM?: SaslMechanism;

  @Meaning('SASL user; set it together with mechanism and password')
  @IsOptional()
  @IsString()
  KAFKA_USERNAME?: string;

  @Meaning('SASL password')
  @IsOptional()
  @IsSecret()
  KAFKA_PASSWORD?: Secret;

  @Meaning('A debug switch of the Kafka client. Must not be set: the client would print messages and passwords')
  @IsOptional()
  @Equals('0', { message: '$property must not be set: the client library would print messages and passwords' })
  KAFKAJS_DEBUG_PROTOCOL_BUFFERS?: string;

  @Meaning(
    'Prefix of all topic and group names, at most 40 letters, digits or `. _ -`; lets installations share a cluster',
  )
  @Matches(/^[a-zA-Z0-9._-]{0,40}$/, { message: '$property must be at most 40 letters, digits or . _ -' })
  TOPIC_PREFIX: string = '';

  @Meaning('Partitions of new command and fact topics; at least the number of copies of a service')
  @IsInt()
  @Min(1)
  @Max(200)
  TOPIC_PARTITIONS: number = 6;

  @Meaning('Replicas of new topics; from 3 on, two must be in sync for a write')
  @IsInt()
  @Min(1)
  @Max(7)
  TOPIC_REPLICATION: number = 1;

  @Meaning(
    'Retention of new command topics; longer than every `REPLY_TIMEOUT_MS` and than the usual downtime of a service',
  )
  @IsInt()
  @Min(60)
  @Max(604_800)
  COMMAND_RETENTION_SECONDS: number = 600;

  @Meaning(
    'Retention of the topic of facts, if it is new. Audit stores what it reads; what it has not read by then is lost to it. Facts have personal fields in clear',
  )
  @IsInt()
  @Min(1)
  @Max(672)
  FACTS_RETENTION_HOURS: number = 168;

  @Meaning('Retention of the other fact topics, of events and dead letters, if they are new; 0: unlimited')
  @IsInt()
  @Min(0)
  @Max(36_500)
  AUDIT_RETENTION_DAYS: number = 0;

  @Meaning(
    'A copy that sends no heartbeat for this long loses its partitions. Must lie within `group.min.session.timeout.ms` (6000 unless changed) and `group.max.session.timeout.ms` of the broker',
  )
  @IsInt()
  @Min(1000)
  @Max(300_000)
  GROUP_SESSION_TIMEOUT_MS: number = 10_000;

  @Meaning(
    'Ends the process with code 1 when a consumer has fetched nothing, or belonged to no group, for this long although the broker answers',
  )
  @IsInt()
  @Min(5)
  @Max(3600)
  CONSUMER_SILENCE_SECONDS: number = 60;

  // Traces, under the names that OpenTelemetry uses.
  @Meaning('Base address of an OTLP collector over HTTP, for example `http://localhost:4318`; enables spans')
  @IsOptional()
  @Matches(/^https?:\/\/[^\s@]+$/, { message: '$property must be http://host:port or https://host:port' })
  OTEL_EXPORTER_OTLP_ENDPOINT?: string;

  @Meaning('Default: `otlp` if an endpoint is set, else `none`')
  @IsOptional()
  @IsIn(['otlp', 'none'])
  OTEL_TRACES_EXPORTER?: 'otlp' | 'none';

  @Meaning('`name=value[,name=value…]` for the collector; holds a token, so prefer `OTEL_EXPORTER_OTLP_HEADERS_FILE`')
  @IsOptional()
  @IsSecret()
  OTEL_EXPORTER_OTLP_HEADERS?: Secret;

  @Meaning('Name in traces; default: `countersign-` and the name of the service')
  @IsOptional()
  @IsString()
  @Length(1, 128)
  OTEL_SERVICE_NAME?: string;

  @Meaning('Which traces are recorded')
  @IsIn(SAMPLERS)
  OTEL_TRACES_SAMPLER: SamplerName = 'parentbased_always_on';

  @Meaning('Share of the traces, for the samplers by ratio')
  @IsNumber()
  @Min(0)
  @Max(1)
  OTEL_TRACES_SAMPLER_ARG: number = 1;
}

/** Further settings of every service with a database. */
export class StoreSettings extends BusSettings {
  @Meaning(
    '`postgres://user:password@host:port/database`, with `?sslmode=verify-full` for TLS. PostgreSQL 18 is tested. A pooler must pool sessions. `npm start` brings its own database',
  )
  @IsSecret()
  DATABASE_URL!: Secret;

  @Meaning("PEM of the authorities that may sign the server's certificate; default: the authorities that Node trusts")
  @IsOptional()
  @IsString()
  DATABASE_CA?: string;

  @Meaning('PEM of the client certificate, for a server that requests one')
  @IsOptional()
  @IsString()
  DATABASE_CERT?: string;

  @Meaning('PEM of the private key of `DATABASE_CERT`, without a passphrase')
  @IsOptional()
  @IsSecret()
  DATABASE_KEY?: Secret;

  @Meaning('Largest number of connections of one process')
  @IsInt()
  @Min(1)
  @Max(200)
  DATABASE_POOL_SIZE: number = 10;
}

/** Further settings of every service with an inbox. */
export class InboxSettings extends StoreSettings {
  @Meaning(
    'Retention of the ids of commands that have taken effect; longer than `COMMAND_RETENTION_SECONDS` and a tenth of it, for which Kafka can deliver a command again',
  )
  @IsInt()
  @Min(1)
  @Max(3_650)
  @OutlastsCommands()
  INBOX_DAYS: number = 8;
}
