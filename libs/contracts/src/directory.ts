import { Type } from 'class-transformer';
import { IsArray, IsISO8601, IsOptional, IsString, Length, Matches, ValidateNested } from 'class-validator';
import { Message } from './message.js';
import { IsName } from './names.js';
import { Policy } from './policy.js';
import { TOPICS } from './topics.js';

/** A tenant as everybody knows it, with its effective policy. */
export class TenantPublished extends Message {
  static readonly type = 'tenant.published.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  @IsString() @Length(1, 200) name!: string;
  @ValidateNested() @Type(() => Policy) policy!: Policy;
  get partitionKey(): string {
    return `tenant/${this.tenant}`;
  }
}

/** SHA-256 of a secret with 256 random bits (so no slow hash is needed), and until when it is accepted. */
export class SecretHash {
  @Matches(/^[0-9a-f]{64}$/) hash!: string;
  /** ISO 8601; absent: valid until the next rotation. */
  @IsOptional() @IsISO8601() validUntil?: string;
}

/** An agent as everybody knows it: the hashes of its secrets and its effective policy. */
export class AgentPublished extends Message {
  static readonly type = 'agent.published.v1';
  static readonly topic = TOPICS.directory.name;
  @IsName() tenant!: string;
  /** Unique in the installation: it is the user name of Basic authentication. */
  @IsName() agent!: string;
  @IsString() @Length(1, 200) name!: string;
  @IsArray() @ValidateNested({ each: true }) @Type(() => SecretHash) passwords!: SecretHash[];
  @IsArray() @ValidateNested({ each: true }) @Type(() => SecretHash) apiKeys!: SecretHash[];
  @ValidateNested() @Type(() => Policy) policy!: Policy;
  get partitionKey(): string {
    return `agent/${this.agent}`;
  }
}
