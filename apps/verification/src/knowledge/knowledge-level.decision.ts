import { type KnowledgePolicy, type Level } from '@countersign/contracts';

/**
 * The level that correct answers reach. Other people know them too, so they identify a caller and do not verify one: NIST SP
 * 800-63A-4 and SP 800-63B-4 section 3.2.2 accept no knowledge-based verification. A waiver in the policy, which must expire,
 * allows more.
 * @param now in milliseconds since 1970
 */
export function knowledgeLevel({ waiver }: Pick<KnowledgePolicy, 'waiver'>, now: number): Level {
  return waiver && now < Date.parse(waiver.expires) ? 'verified' : 'identified';
}
