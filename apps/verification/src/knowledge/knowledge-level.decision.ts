import { type KnowledgePolicy, type Level } from '@countersign/contracts';

/**
 * What right answers show of a caller. Others know them too, so they identify and do not verify (NIST SP 800-63A-4 and
 * SP 800-63B-4 section 3.2.2 accept no knowledge-based verification), unless somebody answers for it and not for ever.
 * @param now in milliseconds since 1970
 */
export function knowledgeLevel({ waiver }: Pick<KnowledgePolicy, 'waiver'>, now: number): Level {
  return waiver && now < Date.parse(waiver.expires) ? 'verified' : 'identified';
}
