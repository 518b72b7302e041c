import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
  type AclEntry,
} from 'kafkajs';

const OPERATIONS = {
  READ: AclOperationTypes.READ,
  WRITE: AclOperationTypes.WRITE,
  CREATE: AclOperationTypes.CREATE,
  DELETE: AclOperationTypes.DELETE,
  DESCRIBE_CONFIGS: AclOperationTypes.DESCRIBE_CONFIGS,
} as const;

/** A right of a user. */
export interface Right {
  readonly user: string;
  readonly resource: 'topic' | 'group';
  /** Name in the cluster; `x*` matches every name that begins with `x`. */
  readonly name: string;
  readonly operation: keyof typeof OPERATIONS;
}

/**
 * Grants rights on a cluster, for tests of services with minimal rights.
 * @param brokers ports with anonymous administrators
 */
export async function giveRights(brokers: readonly string[], rights: readonly Right[]): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], clientId: 'rights', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.createAcls({ acl: rights.map(entryOf) });
  } finally {
    await admin.disconnect();
  }
}

function entryOf({ user, resource, name, operation }: Right): AclEntry {
  const prefixed = name.endsWith('*');
  return {
    resourceType: resource === 'topic' ? AclResourceTypes.TOPIC : AclResourceTypes.GROUP,
    resourceName: prefixed ? name.slice(0, -1) : name,
    resourcePatternType: prefixed ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
    principal: `User:${user}`,
    host: '*',
    operation: OPERATIONS[operation],
    permissionType: AclPermissionTypes.ALLOW,
  };
}
