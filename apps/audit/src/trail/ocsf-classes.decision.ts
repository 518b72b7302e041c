import { type FactKind } from '@countersign/contracts';

/** Classes of the Open Cybersecurity Schema Framework that events belong to. */
export const CLASSES = {
  authentication: { class_uid: 3002, category_uid: 3 },
  operatorSignIn: { class_uid: 3002, category_uid: 3 },
  accountChange: { class_uid: 3001, category_uid: 3 },
  apiActivity: { class_uid: 6003, category_uid: 6 },
} as const;

export interface Classification {
  readonly family: keyof typeof CLASSES;
  readonly activityId: number;
  readonly activityName: string;
}

export const CLASSIFICATIONS: Readonly<Record<FactKind, Classification>> = {
  'attempt.decided': { family: 'authentication', activityId: 1, activityName: 'Logon' },
  'limit.refused': { family: 'authentication', activityId: 1, activityName: 'Logon' },
  'limit.would_refuse': { family: 'apiActivity', activityId: 99, activityName: 'Would Refuse' },
  'limit.near': { family: 'apiActivity', activityId: 99, activityName: 'Limit Near' },
  'limit.overridden': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'limit.override_deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'limit.reset': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'limit.tightened': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'signal.spray': { family: 'apiActivity', activityId: 99, activityName: 'Signal' },
  'signal.pin_spray': { family: 'apiActivity', activityId: 99, activityName: 'Signal' },
  'signal.distributed': { family: 'apiActivity', activityId: 99, activityName: 'Signal' },
  'credential.locked': { family: 'accountChange', activityId: 9, activityName: 'Lock' },
  'credential.enrolled': { family: 'accountChange', activityId: 3, activityName: 'Password Change' },
  'credential.changed': { family: 'accountChange', activityId: 3, activityName: 'Password Change' },
  'credential.removed': { family: 'accountChange', activityId: 99, activityName: 'Credential Removed' },
  'subject.changed': { family: 'accountChange', activityId: 99, activityName: 'Subject Change' },
  'subjects.imported': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'subjects.exported': { family: 'apiActivity', activityId: 2, activityName: 'Read' },
  'operator.signed_in': { family: 'operatorSignIn', activityId: 1, activityName: 'Logon' },
  'operator.sign_in_refused': { family: 'operatorSignIn', activityId: 1, activityName: 'Logon' },
  'operator.signed_out': { family: 'operatorSignIn', activityId: 2, activityName: 'Logoff' },
  'tenant.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.deletion_started': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'agent.created': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'agent.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'agent.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'agent.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'agent.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'api_key.created': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'api_key.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'policy.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.created': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'webhook.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'webhook.replayed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'message.dead_lettered': { family: 'apiActivity', activityId: 99, activityName: 'Dead Letter' },
  'credential.disabled': { family: 'accountChange', activityId: 5, activityName: 'Disable' },
  'credential.unlocked': { family: 'accountChange', activityId: 12, activityName: 'Unlock' },
  'credential.broken': { family: 'accountChange', activityId: 99, activityName: 'Tampering Found' },
  'credential.restored': { family: 'accountChange', activityId: 99, activityName: 'Counter Restored' },
  'key.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'receipt.issued': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'receipt.consumed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'subject.erased': { family: 'accountChange', activityId: 6, activityName: 'Delete' },
  'transfer.requested': { family: 'apiActivity', activityId: 99, activityName: 'Transfer' },
  'transfer.refused': { family: 'apiActivity', activityId: 99, activityName: 'Transfer' },
  'access.refused': { family: 'apiActivity', activityId: 99, activityName: 'Access Refused' },
  'audit.read': { family: 'apiActivity', activityId: 2, activityName: 'Read' },
  'audit.exported': { family: 'apiActivity', activityId: 2, activityName: 'Read' },
  'log.mismatch': { family: 'apiActivity', activityId: 99, activityName: 'Log Mismatch' },
  'log.shard_started': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'log.pruned': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'log.rolled_back': { family: 'apiActivity', activityId: 99, activityName: 'Rollback Refused' },
};

/** Kinds that report altered data or an incomplete log: critical severity. */
export const CRITICAL_SEVERITY: ReadonlySet<FactKind> = new Set<FactKind>([
  'credential.broken',
  'log.mismatch',
  'log.rolled_back',
]);

/** Kinds without an outcome that have medium severity. */
export const MEDIUM_SEVERITY: ReadonlySet<FactKind> = new Set<FactKind>([
  'credential.locked',
  'credential.disabled',
  'credential.restored',
  'message.dead_lettered',
  'transfer.refused',
  'access.refused',
  'operator.sign_in_refused',
  'limit.tightened',
  'signal.spray',
  'signal.pin_spray',
  'signal.distributed',
]);

/** API activities and sign-ins of operators that are failures by their kind. */
export const FAILURES: ReadonlySet<FactKind> = new Set<FactKind>([
  'message.dead_lettered',
  'transfer.refused',
  'access.refused',
  'operator.sign_in_refused',
  'log.mismatch',
  'log.rolled_back',
]);
