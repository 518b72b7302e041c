import { AgentPublished, message, type Policy } from '@countersign/contracts';
import { sha256 } from '@countersign/crypto';

/** The default policy of the contract, with the functions and destinations of its example. */
export function examplePolicy(changes: Partial<Policy> = {}): Policy {
  const limit = { limit: 10, periodSeconds: 60 };
  return {
    attempts: { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 },
    limits: { caller: limit, call: limit, subject: limit, agent: limit, tenant: limit, subjectsPerCaller: limit },
    functions: ['verify_pin', 'verify_identity', 'verification_status', 'request_transfer', 'collect_pin'],
    knowledge: {
      questions: [
        { name: 'last_four_ssn', description: 'Last four digits of the SSN', kind: 'digits', length: 4 },
        { name: 'zip_code', description: 'Billing ZIP code', kind: 'digits', length: 5 },
      ],
    },
    unlocksFunctions: { identified: ['get_store_hours'], verified: ['get_balance', 'transfer_funds'] },
    transfers: { support: 'sip:support@example.com', billing: '+12025550100' },
    escalation: 'support',
    verifiedSeconds: 900,
    endVerificationOnChange: true,
    trustsCallsOf: [],
    greetByName: true,
    tellAttemptsLeft: false,
    discloseUnknownCaller: false,
    texts: {},
    defaultCountry: null,
    ...changes,
  };
}

/** An agent with {@link examplePolicy}. */
export function exampleAgent(
  agent: string,
  tenant: string,
  password: string,
  policy: Partial<Policy> = {},
): AgentPublished {
  return message(AgentPublished, {
    tenant,
    agent,
    name: 'An agent',
    passwords: [{ hash: sha256(password) }],
    apiKeys: [],
    policy: examplePolicy(policy),
  });
}
