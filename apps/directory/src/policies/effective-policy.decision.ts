/** A policy as written: any field may be missing. */
export type RawPolicy = Readonly<Record<string, unknown>>;

/** The product's defaults. They are part of the public contract. */
export const DEFAULT_POLICY: RawPolicy = {
  attempts: { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 },
  limits: {
    caller: { limit: 10, periodSeconds: 60 },
    call: { limit: 10, periodSeconds: 600 },
    subject: { limit: 20, periodSeconds: 60 },
    agent: { limit: 600, periodSeconds: 60 },
    tenant: { limit: 6000, periodSeconds: 60 },
    subjectsPerCaller: { limit: 5, periodSeconds: 3600 },
  },
  functions: ['verify_pin', 'verify_identity', 'verification_status', 'request_transfer', 'collect_pin'],
  unlocksFunctions: { identified: [], verified: [] },
  knowledge: {
    questions: [
      {
        name: 'last_four_ssn',
        description: 'Last four digits of the Social Security number',
        kind: 'digits',
        length: 4,
      },
      { name: 'zip_code', description: 'Billing ZIP code', kind: 'digits', length: 5 },
    ],
  },
  transfers: {},
  verifiedSeconds: 900,
  endVerificationOnChange: true,
  trustsCallsOf: [],
  greetByName: true,
  tellAttemptsLeft: false,
  discloseUnknownCaller: false,
  texts: {},
  defaultCountry: null,
};

/**
 * Merges policies; later ones take precedence. Objects are merged by key, every other value is replaced. A plain list in
 * `unlocksFunctions` means the level `verified`.
 */
export function mergePolicies(...layers: readonly RawPolicy[]): RawPolicy {
  return layers.map(expandUnlocks).reduce((below, above) => merge(below, above) as RawPolicy, {});
}

function merge(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above)) return above;
  const keys = new Set([...Object.keys(below), ...Object.keys(above)]);
  return Object.fromEntries([...keys].map((key) => [key, mergedField(key, below, above)]));
}

/** Reads own fields only, because every object inherits fields such as `toString`. */
function mergedField(key: string, below: RawPolicy, above: RawPolicy): unknown {
  if (!Object.hasOwn(above, key)) return below[key];
  return Object.hasOwn(below, key) ? merge(below[key], above[key]) : above[key];
}

function expandUnlocks(policy: RawPolicy): RawPolicy {
  const unlocks = policy['unlocksFunctions'];
  return Array.isArray(unlocks) ? { ...policy, unlocksFunctions: { verified: unlocks as unknown[] } } : policy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
