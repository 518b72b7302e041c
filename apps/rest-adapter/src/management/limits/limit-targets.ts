import { e164 } from '@countersign/api';
import { limitTargetOf, type LimitDimension, type LimitTarget } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';

/** The fields of a request that can name the target of a limit. */
export interface TargetFields {
  readonly phone?: string;
  readonly subject?: string;
  readonly callId?: string;
  readonly agent?: string;
  /** Keyed hash of a caller, as the events have it. */
  readonly callerKey?: string;
}

/** The target as the adapters name it. A telephone number leaves this process only as a keyed hash. */
export function limitTarget(
  hash: KeyedHash,
  tenant: string,
  { dimension, ...fields }: TargetFields & { readonly dimension: LimitDimension },
): LimitTarget {
  const phone = e164(fields.phone);
  const names =
    phone === undefined
      ? []
      : hash.singleKeys.map((key) => ({ keyId: key.keyId, target: nameOfPhone(key.hash, tenant, dimension, phone) }));
  const target = names[0]?.target ?? clearTarget({ dimension, ...fields });
  return { dimension, ...(target === undefined ? {} : { target }), names };
}

/**
 * Which overrides a query selects by a target. Undefined: overrides of any target.
 *
 * A telephone number can be that of a caller or of a subject, and has a name under each key.
 */
export function targetFilter(
  hash: KeyedHash,
  tenant: string,
  { phone, subject, callId, agent }: TargetFields,
): { dimensions: LimitDimension[]; targets: string[] } | undefined {
  const number = e164(phone);
  if (number !== undefined) {
    const dimensions: LimitDimension[] = ['caller', 'subject', 'subjectsPerCaller'];
    const targets = hash.singleKeys.flatMap((key) =>
      (['caller', 'subject'] as const).map((dimension) => nameOfPhone(key.hash, tenant, dimension, number)),
    );
    return { dimensions, targets };
  }
  if (subject !== undefined) return filterOf('subject', clearTarget({ dimension: 'subject', subject }));
  if (callId !== undefined) return filterOf('call', callId);
  return agent === undefined ? undefined : filterOf('agent', agent);
}

function filterOf(dimension: LimitDimension, target = ''): { dimensions: LimitDimension[]; targets: string[] } {
  return { dimensions: [dimension], targets: [target] };
}

/** The rules of bodies admit a number only for callers and subjects. */
function nameOfPhone(hash: KeyedHash, tenant: string, dimension: LimitDimension, phone: string): string {
  if (dimension !== 'subject') return hash.callerKey(tenant, 'phone', phone);
  return limitTargetOf({ dimension, kind: 'phone', value: hash.hash('phone', tenant, phone) });
}

/** The name of a target that is not a number. Undefined: the whole dimension. */
function clearTarget(fields: TargetFields & { readonly dimension: LimitDimension }): string | undefined {
  const { dimension, subject, callId, agent, callerKey } = fields;
  if (subject !== undefined) return limitTargetOf({ dimension: 'subject', kind: 'id', value: subject });
  return dimension === 'call' ? callId : (callerKey ?? agent);
}
