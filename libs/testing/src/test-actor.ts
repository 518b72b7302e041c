import { type Actor } from '@countersign/contracts';

/** Who requests the changes of tests. */
export const TEST_ACTOR: Actor = { kind: 'administrator', sourceAddress: '192.0.2.7' };
