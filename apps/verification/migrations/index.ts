import { CallsAndReceipts1764000500001 } from './1764000500001-calls-and-receipts.js';
import { Verification1764000000001 } from './1764000000001-verification.js';
import { VerificationDeliveries1764000100001 } from './1764000100001-deliveries.js';
import { VerificationGate1764000200001 } from './1764000200001-gate.js';
import { VerificationKnowledge1764000300001 } from './1764000300001-knowledge.js';
import { VerificationKeys1764000400001 } from './1764000400001-keys.js';
import { SubjectKeysInUse1764000500002 } from './1764000500002-subject-keys-in-use.js';
import { VerificationTenantRows1764000700001 } from './1764000700001-tenant-rows.js';
import { Bindings1764000900003 } from './1764000900003-bindings.js';
import { CountersOnRecord1764000800001 } from './1764000800001-counters-on-record.js';
import { ReplyTags1764000900002 } from './1764000900002-reply-tags.js';
import { VerificationKeyChecks1764001000001 } from './1764001000001-key-checks.js';

/** All of them, in the order in which they run. */
export const VERIFICATION_MIGRATIONS = [
  Verification1764000000001,
  VerificationDeliveries1764000100001,
  VerificationGate1764000200001,
  VerificationKnowledge1764000300001,
  VerificationKeys1764000400001,
  CallsAndReceipts1764000500001,
  SubjectKeysInUse1764000500002,
  VerificationTenantRows1764000700001,
  CountersOnRecord1764000800001,
  ReplyTags1764000900002,
  Bindings1764000900003,
  VerificationKeyChecks1764001000001,
];
