import { type Actor, type LimitDimension } from '@countersign/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity({ schema: 'rate_limit', name: 'overrides' })
export class OverrideEntity {
  @PrimaryColumn('text') tenant!: string;
  @PrimaryColumn('text') dimension!: LimitDimension;
  /** Empty: every target of the dimension. */
  @PrimaryColumn('text') target!: string;
  @Column('integer', { name: 'max_requests' }) limit!: number;
  @Column('integer', { name: 'period_seconds' }) periodSeconds!: number;
  @Column('uuid') id!: string;
  @Column('boolean') shadow!: boolean;
  @Column('text') reason!: string;
  /** Null: set by a version that did not record it. */
  @Column('jsonb', { nullable: true }) actor!: Actor | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at' }) expiresAt!: Date;
  /** For a target that is a keyed hash: the ids of the keys, and its name under each of them. */
  @Column('text', { name: 'key_ids', array: true }) keyIds!: string[];
  @Column('text', { array: true }) targets!: string[];
}

@Entity({ schema: 'rate_limit', name: 'tightened_limits' })
export class TightenedLimitsEntity {
  @PrimaryColumn('text') tenant!: string;
  @Column('timestamptz', { name: 'ends_at' }) endsAt!: Date;
}
