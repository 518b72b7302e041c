import { type SecretHash } from '@countersign/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type AgentRecord } from '../directory.ports.js';
import { type RawPolicy } from '../policies/effective-policy.decision.js';

@Entity({ schema: 'directory', name: 'agents' })
export class AgentEntity implements AgentRecord {
  @PrimaryColumn('text') agent!: string;
  @Column('text') tenant!: string;
  @Column('text') name!: string;
  @Column('jsonb') policy!: RawPolicy;
  @Column('jsonb') passwords!: readonly SecretHash[];
  @Column('jsonb', { name: 'api_keys' }) apiKeys!: readonly SecretHash[];
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'disabled_at', nullable: true }) disabledAt!: Date | null;
}
