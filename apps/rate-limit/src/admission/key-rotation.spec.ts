import { randomUUID } from 'node:crypto';
import {
  message,
  RefusalsCounted,
  VerificationAdmitted,
  type NamesUnderKey,
  type VerificationRequested,
} from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { ManualClock } from '@countersign/testing';
import { type AdmitRequest } from './admit-request.use-case.js';
import { RequiredKeys } from '../limits/required-keys.js';
import { type LimitRequest } from '../limits/limit.decision.js';
import { type LimitRequests } from '../limits/limit-requests.js';
import { type IdentifiedLimitKeys } from '../limits/limits.ports.js';
import { HashedLimitKeys } from '../limits/limit-keys.store.js';
import { keyringOf, requestOf, RateLimitTestBed } from '../../test/test-bed.js';

const keyOf = (n: number): IdentifiedLimitKeys => {
  const hash = new KeyedHash(new Secret(Buffer.alloc(32, n).toString('base64url')));
  return { keyId: `k${n}`, keys: new HashedLimitKeys(hash) };
};
const [OLD, NEW, OTHER] = [keyOf(1), keyOf(2), keyOf(3)];

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

interface Limiter {
  readonly limitRequests: LimitRequests;
  readonly admit: AdmitRequest;
  /** How many of so many requests that are named under these keys are admitted. */
  readonly admitted: (times: number, ...named: IdentifiedLimitKeys[]) => Promise<number>;
}

/** A limiter that holds these keys. */
function limiterWith(...[first, ...others]: [IdentifiedLimitKeys, ...IdentifiedLimitKeys[]]): Limiter {
  const limitRequests = bed.limitRequestsUnder(keyringOf(first, ...others));
  const admit = bed.with(bed.store, limitRequests);
  const admitted = async (times: number, ...named: IdentifiedLimitKeys[]): Promise<number> => {
    let count = 0;
    for (let n = 0; n < times; n++) {
      if ((await admit.admitAttempt(namedUnder(named))) instanceof VerificationAdmitted) count++;
    }
    return count;
  };
  return { limitRequests, admit, admitted };
}

/** A request of one caller, as an adapter names it that holds these keys, the first one first. */
function namedUnder(
  keys: readonly IdentifiedLimitKeys[],
  more: Partial<VerificationRequested> = {},
): VerificationRequested {
  const request = requestOf(more);
  const names = keys.map(({ keyId }): NamesUnderKey => {
    const { commandId, subjectRef } = request;
    return { keyId, commandId: `${keyId}-${commandId}`, subjectRef, callerKey: callerUnder(keyId) };
  });
  const [first, ...alsoNamed] = names;
  return Object.assign(request, first, { alsoNamed });
}

const callerUnder = (keyId: string): string => keyId.padEnd(64, '0');

const namesOf = ({ keyId, commandId, subjectRef }: VerificationRequested): NamesUnderKey => ({
  ...{ keyId, commandId, subjectRef, callerKey: callerUnder(keyId) },
});

describe('during a rotation of IDENTIFIER_KEY', () => {
  it('a caller has one limit over replicas that hold the old key, the new key or both, in any order', async () => {
    const [before, between, after] = [limiterWith(OLD), limiterWith(NEW, OLD), limiterWith(NEW)];
    // The adapters get the new key first, the limiter after them.
    expect(await before.admitted(3, OLD)).toBe(3);
    expect(await before.admitted(3, NEW, OLD)).toBe(3);
    expect(await between.admitted(3, OLD, NEW)).toBe(3);
    expect(await between.admitted(3, OLD)).toBe(1);
    expect(await between.admitted(3, NEW, OLD)).toBe(0);
    // After the period, everything in the window was counted under the new key too.
    bed.clock.advance(61_000);
    expect(await between.admitted(10, OLD, NEW)).toBe(10);
    expect(await after.admitted(1, NEW)).toBe(0);
    expect(await after.admitted(1, NEW, OLD)).toBe(0);
  });

  it('a request without names under a required key is not admitted', async () => {
    const { admit, admitted } = limiterWith(OLD, NEW);
    bed.requiredKeys.known = [OLD.keyId, NEW.keyId];
    for (const named of [[OLD], [NEW], [OTHER]] as const) {
      expect(await admit.admitAttempt(namedUnder(named))).toMatchObject({ outcome: 'unavailable' });
    }
    expect(await admitted(2, OLD, NEW)).toBe(2);
  });

  it('no request is admitted while the required keys are not known', async () => {
    const { admitted } = limiterWith(OLD, NEW);
    bed.requiredKeys.known = undefined;
    expect(await admitted(3, OLD, NEW)).toBe(0);
    bed.requiredKeys.known = [];
    expect(await admitted(3, OLD, NEW)).toBe(3);
  });

  it('a limiter that shares no key with the adapter admits nothing, and logs that once a minute', async () => {
    const { admit } = limiterWith(OTHER);
    for (let n = 0; n < 3; n++) {
      expect(await admit.admitAttempt(namedUnder([OLD, NEW]))).toMatchObject({ outcome: 'unavailable' });
    }
    expect([bed.foreignLogged, bed.foreignKeys.isSeen]).toEqual([1, true]);
    bed.clock.advance(61_000);
    expect(bed.foreignKeys.isSeen).toBe(false);
    await admit.admitAttempt(namedUnder([OLD, NEW]));
    expect([bed.foreignLogged, bed.foreignKeys.isSeen]).toEqual([2, true]);
  });

  it('a repetition is free under the names of either key', async () => {
    const { admit } = limiterWith(OLD, NEW);
    const first = namedUnder([OLD, NEW]);
    const again = Object.assign(namedUnder([NEW, OLD]), { alsoNamed: [namesOf(first)] }, first.alsoNamed[0]);
    for (let n = 0; n < 20; n++)
      expect(await admit.admitAttempt(n % 2 === 0 ? first : again)).toBeInstanceOf(VerificationAdmitted);
    expect(await limiterWith(OLD).admitted(12, OLD)).toBe(9);
    expect(await limiterWith(NEW).admitted(12, NEW)).toBe(9);
  });
});

describe('an override for one caller', () => {
  const override = ({ limitRequests }: Limiter, names: readonly IdentifiedLimitKeys[], limit: number): void => {
    const targets = names.map(({ keyId }) => ({ keyId, target: callerUnder(keyId) }));
    const [first] = targets;
    const rule = { dimension: 'caller', target: first?.target ?? '', limit, periodSeconds: 60 } as const;
    const times = { setAt: bed.clock.now(), endsAt: bed.clock.now() + 600_000 };
    const overrides = [{ ...rule, ...times, reason: 'a test', names: targets, actor: null }];
    limitRequests.settings = new Map([['acme', { overrides, tightenedUntil: 0 }]]);
  };

  it('applies under both keys, whether it was set under the old key or under both', async () => {
    const limiter = limiterWith(NEW, OLD);
    override(limiter, [OLD], 14);
    expect(await limiter.admitted(20, NEW, OLD)).toBe(14);
    bed.clock.advance(61_000);
    override(limiter, [OLD, NEW], 4);
    expect(await limiterWith(NEW).admitted(20, NEW)).toBe(10);
    expect(await limiter.admitted(20, NEW)).toBe(0);
    bed.clock.advance(61_000);
    expect(await limiter.admitted(20, NEW)).toBe(4);
  });

  it('does not apply by a name under a key that the limiter does not hold', async () => {
    const limiter = limiterWith(NEW);
    override(limiter, [OTHER], 1_000);
    expect(await limiter.admitted(20, NEW, OTHER)).toBe(10);
    bed.clock.advance(61_000);
    override(limiter, [OTHER, NEW], 14);
    expect(await limiter.admitted(20, NEW, OTHER)).toBe(14);
  });
});

describe('refusals that an adapter counted', () => {
  const counted = (request: VerificationRequested, more: Partial<RefusalsCounted> = {}): RefusalsCounted => {
    const { sealed: _sealed, repeatSeconds: _seconds, ...described } = request;
    return message(RefusalsCounted, { ...described, countId: randomUUID(), dimension: 'caller', count: 7, ...more });
  };
  const recorded = async (): Promise<unknown[]> => {
    await bed.report.flush();
    const refused = bed.log.facts.filter(({ kind }) => kind === 'limit.refused');
    return refused.map(({ detail }) => [detail?.['dimension'], detail?.['count']]);
  };

  it('are added to those of the same caller, under whichever key the adapter names it first', async () => {
    const { admit } = limiterWith(OLD);
    for (let n = 0; n < 11; n++) await admit.admitAttempt(namedUnder([OLD]));
    admit.noteCachedRefusals(counted(namedUnder([NEW, OLD])));
    admit.noteCachedRefusals(counted(namedUnder([OLD, NEW])));
    expect(await recorded()).toEqual([
      ['caller', 1],
      ['caller', 14],
    ]);
  });

  it('are recorded even if the adapter lacks a required key or shares no key with the limiter', async () => {
    const { admit } = limiterWith(OLD, NEW);
    bed.requiredKeys.known = [OLD.keyId, NEW.keyId];
    admit.noteCachedRefusals(counted(namedUnder([OLD])));
    admit.noteCachedRefusals(counted(namedUnder([OTHER]), { dimension: 'agent' }));
    admit.noteCachedRefusals(counted(namedUnder([OTHER])));
    expect(await recorded()).toEqual([
      ['caller', 7],
      ['agent', 7],
      ['caller', 7],
    ]);
    const callers = bed.log.facts.map(({ callerKey }) => callerKey);
    expect(callers).toEqual([callerUnder(OLD.keyId), undefined, undefined]);
  });

  it('are recorded for each tenant alone, also if they are not about a key of the limiter', async () => {
    const { limitRequests } = limiterWith(OLD);
    const [first] = limitRequests.of(requestOf({ keyId: OLD.keyId }))?.limitRequests ?? [];
    const withoutChecks = { ...(first as LimitRequest), checks: [] };
    for (const tenant of ['acme', 'umbrella', 'acme']) {
      bed.report.count('limit.refused', requestOf({ tenant }), withoutChecks, 'caller', 5);
    }
    await bed.report.flush();
    expect(bed.log.facts.map(({ tenant, detail }) => [tenant, detail?.['count']])).toEqual([
      ['acme', 10],
      ['umbrella', 5],
    ]);
  });
});

describe('the list of required keys', () => {
  it('is not known before it was read, and not known when its last successful read began 4 seconds ago', async () => {
    const clock = new ManualClock();
    let answer: () => Promise<string[]> = () => Promise.resolve([NEW.keyId]);
    const required = new RequiredKeys(() => answer(), clock);
    expect(required.ids()).toBeUndefined();
    await required.refresh();
    clock.advance(3_999);
    expect(required.ids()).toEqual([NEW.keyId]);
    answer = () => Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
    await expect(required.refresh()).rejects.toThrow('down');
    clock.advance(1);
    expect(required.ids()).toBeUndefined();
    // A slow read counts from its start: what it returns may be as old as that.
    answer = () => {
      clock.advance(3_000);
      return Promise.resolve([]);
    };
    await required.refresh();
    clock.advance(999);
    expect(required.ids()).toEqual([]);
    clock.advance(1);
    expect(required.ids()).toBeUndefined();
  });

  it('is that of the read that began last, in whatever order reads end', async () => {
    const clock = new ManualClock();
    const ends: ((ids: string[]) => void)[] = [];
    const required = new RequiredKeys(() => new Promise((resolve) => ends.push(resolve)), clock);
    const slow = required.refresh();
    clock.advance(1_000);
    const quick = required.refresh();
    ends[1]?.([NEW.keyId]);
    await quick;
    ends[0]?.([]);
    await slow;
    expect(required.ids()).toEqual([NEW.keyId]);
  });
});
