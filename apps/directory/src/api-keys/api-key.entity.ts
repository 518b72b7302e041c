import { type ApiKeyScope, type SecretHash } from '@countersign/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type ApiKeyRecord } from '../directory.ports.js';

@Entity({ schema: 'directory', name: 'api_keys' })
export class ApiKeyEntity implements ApiKeyRecord {
  @PrimaryColumn('text', { name: 'key_id' }) keyId!: string;
  @Column('text') tenant!: string;
  @Column('text') name!: string;
  @Column('text', { array: true }) scopes!: ApiKeyScope[];
  @Column('text', { nullable: true }) agent!: string | null;
  @Column('jsonb') hashes!: readonly SecretHash[];
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at', nullable: true }) expiresAt!: Date | null;
  @Column('timestamptz', { name: 'disabled_at', nullable: true }) disabledAt!: Date | null;
  /** Only reports of its use change it: a change of the key must not set it back. */
  @Column({ type: 'timestamptz', name: 'last_used_at', nullable: true, update: false }) lastUsedAt!: Date | null;
}
