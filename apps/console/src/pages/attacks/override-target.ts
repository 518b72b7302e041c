import { type components } from '../../api/openapi.js';

export type ShownRefusal = components['schemas']['RefusedParty'];
type Target = Partial<components['schemas']['OverrideBody']>;

/**
 * Whether an override can be set for the party alone. The API takes one without a party for the whole dimension, which is
 * every subject or caller of the tenant.
 */
export const isNamed = (party: ShownRefusal): boolean =>
  party.dimension === 'tenant' || Object.keys(targetOf(party)).length > 1;

/** The fields of the API that name the party. */
export function targetOf({ dimension, callerKey, subject, callId, agent }: ShownRefusal): Target {
  switch (dimension) {
    case 'caller':
    case 'subjectsPerCaller':
      return { dimension, ...(callerKey !== undefined && { callerKey }) };
    case 'subject':
      return { dimension, ...(subject !== undefined && { subject }) };
    case 'call':
      return { dimension, ...(callId !== undefined && { callId }) };
    case 'agent':
      return { dimension, ...(agent !== undefined && { agent }) };
    case 'tenant':
      return { dimension };
  }
}
