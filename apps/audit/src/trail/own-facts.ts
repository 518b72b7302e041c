import { type FactKind } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';

/** Kinds that only this service records. */
const OWN_KINDS: readonly FactKind[] = [
  ...(['log.pruned', 'log.shard_started', 'log.mismatch'] as const),
  ...(['audit.read', 'audit.exported', 'message.dead_lettered'] as const),
];
/** UUIDs of version 8 are ids that this service computes. */
const OWN_ID = /^.{14}8/;

/** Whether only this service records facts of this kind. */
export const isOwnKind = (kind: string): boolean => OWN_KINDS.some((own) => own === kind);

/**
 * Whoever may write facts could otherwise state a pruning, and so hide a removal, or forge an alarm.
 * @throws ServiceError MESSAGE_UNREADABLE
 */
export function refuseOwnKind(kind: FactKind): void {
  if (isOwnKind(kind)) throw new ServiceError('MESSAGE_UNREADABLE', `only the audit service records ${kind}`, false);
}

/**
 * The first event of an id remains, so whoever records a computed id first would suppress the event of this service.
 * @throws ServiceError MESSAGE_UNREADABLE
 */
export function refuseOwnId(id: string): void {
  if (OWN_ID.test(id))
    throw new ServiceError('MESSAGE_UNREADABLE', 'only the audit service records ids of version 8', false);
}
