import { Column, Entity, PrimaryColumn } from 'typeorm';
import { type TenantDeletion, type TenantRecord } from '../directory.ports.js';
import { type RawPolicy } from '../policies/effective-policy.decision.js';

@Entity({ schema: 'directory', name: 'tenants' })
export class TenantEntity implements TenantRecord {
  @PrimaryColumn('text') tenant!: string;
  @Column('text') name!: string;
  @Column('jsonb') policy!: RawPolicy;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'disabled_at', nullable: true }) disabledAt!: Date | null;
  @Column('jsonb', { nullable: true }) deletion!: TenantDeletion | null;
}
