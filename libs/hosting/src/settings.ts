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
import { SASL_MECHANISMS, type SaslMechanism } from '@countersign/messaging';
import { SAMPLERS, type SamplerName } from '@countersign/observability';
import { Secret } from '@countersign/sealing';
import { Hint } from '@countersign/service';
import { IsBrokerList } from './address-rules.js';
import { IsSecret } from './is-secret.js';

/** What every service can be told. */
export class BusSettings {
  @IsString() HOST: string = '127.0.0.1';
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) LOG_LEVEL: string = 'info';
  /** Port for health and metrics; 0 picks a free one. */
  @IsInt() @Min(0) @Max(65_535) OPS_PORT: number = 9464;
  /** `host:port` with commas between them; unset: the in-process bus of the all-in-one product. */
  @IsOptional()
  @IsBrokerList()
  @Hint('for example localhost:9092; unset only in the all-in-one product')
  KAFKA_BROKERS?: string;
  /** Encrypts the way to the brokers and verifies who they are. */
  @IsBoolean() KAFKA_TLS: boolean = false;
  /** PEM of the authorities that may have signed the brokers' certificates; unset: those that Node brings along. */
  @IsOptional() @IsString() KAFKA_TLS_CA?: string;
  /** PEM, for brokers that ask for a certificate. */
  @IsOptional() @IsString() KAFKA_TLS_CERT?: string;
  @IsOptional() @IsSecret() KAFKA_TLS_KEY?: Secret;
  @IsOptional() @IsIn([...SASL_MECHANISMS]) KAFKA_SASL_MECHANISM?: SaslMechanism;
  @IsOptional() @IsString() KAFKA_USERNAME?: string;
  @IsOptional() @IsSecret() KAFKA_PASSWORD?: Secret;
  /** A switch of the client library, which makes it print what passes. */
  @IsOptional()
  @Equals('0', { message: '$property must not be set: the client library would print messages and passwords' })
  KAFKAJS_DEBUG_PROTOCOL_BUFFERS?: string;
  /** Begins every topic and group name, so that several installations can share a cluster. */
  @Matches(/^[a-zA-Z0-9._-]{0,40}$/, { message: '$property must be at most 40 letters, digits or . _ -' })
  TOPIC_PREFIX: string = '';
  /** Partitions of a command or fact topic, when it is created: at least the number of copies of a service. */
  @IsInt() @Min(1) @Max(200) TOPIC_PARTITIONS: number = 6;
  @IsInt() @Min(1) @Max(7) TOPIC_REPLICATION: number = 1;
  /** How long a new command topic keeps a record; a service that was away longer has nothing to catch up on. */
  @IsInt() @Min(60) @Max(604_800) COMMAND_RETENTION_SECONDS: number = 600;
  /** How long a new fact topic keeps a record; 0: for ever. */
  @IsInt() @Min(0) @Max(36_500) AUDIT_RETENTION_DAYS: number = 0;
  /** Longest time that a record waits for others under load, in milliseconds; 0: none. */
  @IsInt() @Min(0) @Max(1000) SEND_LINGER_MS: number = 50;
  /** A copy that is not heard of for this long has left its group, in milliseconds; the broker has bounds of its own. */
  @IsInt() @Min(1000) @Max(300_000) GROUP_SESSION_TIMEOUT_MS: number = 10_000;
  /** A consumer that fetches nothing, or is in no group, for this long although the broker answers ends the process. */
  @IsInt() @Min(5) @Max(3600) CONSUMER_SILENCE_SECONDS: number = 60;

  // Traces, under the names that OpenTelemetry has given to its settings.
  /** Unset: `otlp` where there is an address to send spans to, else `none`. */
  @IsOptional() @IsIn(['otlp', 'none']) OTEL_TRACES_EXPORTER?: 'otlp' | 'none';
  /** Base address of a collector that takes OTLP over HTTP. */
  @IsOptional()
  @Matches(/^https?:\/\/[^\s@]+$/, { message: '$property must be http://host:port or https://host:port' })
  @Hint('the base address of a collector, such as http://localhost:4318')
  OTEL_EXPORTER_OTLP_ENDPOINT?: string;
  /** `name=value[,name=value…]`: what the collector asks for, such as a token. */
  @IsOptional() @IsSecret() OTEL_EXPORTER_OTLP_HEADERS?: Secret;
  @IsOptional() @IsString() @Length(1, 128) OTEL_SERVICE_NAME?: string;
  @IsIn(SAMPLERS) OTEL_TRACES_SAMPLER: SamplerName = 'parentbased_always_on';
  /** Share of the traces that the samplers by ratio take. */
  @IsNumber() @Min(0) @Max(1) OTEL_TRACES_SAMPLER_ARG: number = 1;
}

/** What every service with a database can be told besides. */
export class StoreSettings extends BusSettings {
  @IsSecret()
  @Hint('a PostgreSQL URL, postgres://user:password@host:port/database; npm start brings its own database')
  DATABASE_URL!: Secret;
  /** PEM of the authorities that may have signed the server's certificate; unset: those that Node brings along. */
  @IsOptional() @IsString() DATABASE_CA?: string;
  /** PEM, for a server that asks for a certificate. */
  @IsOptional() @IsString() DATABASE_CERT?: string;
  @IsOptional() @IsSecret() DATABASE_KEY?: Secret;
  /** Connections to PostgreSQL, at most. */
  @IsInt() @Min(1) @Max(200) DATABASE_POOL_SIZE: number = 10;
}
