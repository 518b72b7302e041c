import { VerificationAdmitted, type NamesUnderKey, type VerificationRequested } from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/crypto';
import { ForeignKeys } from './foreign-keys.js';
import { LimitRequests, type KeysOfOne } from './limit-request.js';
import { HashedLimitKeys } from './limit-keys.store.js';
import { requestOf, RateLimitTestBed } from '../../test/test-bed.js';

const REASON = 'e'.repeat(64);
const keyOf = (n: number): KeysOfOne => {
  const hash = new KeyedHash(new Secret(Buffer.alloc(32, n).toString('base64url')));
  return { keyId: `k${n}`, keys: new HashedLimitKeys(hash) };
};
const [OLD, NEW, OTHER] = [keyOf(1), keyOf(2), keyOf(3)];

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

/** A limiter that holds these keys, and the questions of which it takes what must be held. */
function limiterWith(...keys: KeysOfOne[]) {
  const questions = new LimitRequests(bed.policies, keys, bed.clock);
  const admit = bed.with(bed.store, questions);
  const passes = async (times: number, ...named: KeysOfOne[]): Promise<number> => {
    let passed = 0;
    for (let n = 0; n < times; n++) {
      if ((await admit.admitAttempt(namedUnder(named))) instanceof VerificationAdmitted) passed++;
    }
    return passed;
  };
  return { questions, admit, passes };
}

/** A request of one caller by the names that an adapter gives it which holds these keys, the first one first. */
function namedUnder(keys: readonly KeysOfOne[], more: Partial<VerificationRequested> = {}): VerificationRequested {
  const request = requestOf(more);
  const names = keys.map(({ keyId }): NamesUnderKey => {
    const { commandId, subjectRef } = request;
    return { keyId, commandId: `${keyId}-${commandId}`, subjectRef, callerKey: callerUnder(keyId) };
  });
  const [first, ...alsoNamed] = names;
  return Object.assign(request, first, { alsoNamed });
}

const callerUnder = (keyId: string): string => keyId.padEnd(64, '0');

describe('while one key takes the place of another', () => {
  it('a caller has one budget over copies that hold either key or both, in any order', async () => {
    const [before, between, after] = [limiterWith(OLD), limiterWith(NEW, OLD), limiterWith(NEW)];
    // Adapters first, the limiter after them.
    expect(await before.passes(3, OLD)).toBe(3);
    expect(await before.passes(3, NEW, OLD)).toBe(3);
    expect(await between.passes(3, OLD, NEW)).toBe(3);
    expect(await between.passes(3, OLD)).toBe(1);
    expect(await between.passes(3, NEW, OLD)).toBe(0);
    // When those that only the old key has counted last no more, the new key has counted all that last.
    bed.clock.advance(61_000);
    expect(await between.passes(10, OLD, NEW)).toBe(10);
    expect(await after.passes(1, NEW)).toBe(0);
    expect(await after.passes(1, NEW, OLD)).toBe(0);
  });

  it('a request that lacks the name under a key that must be held is not decided', async () => {
    const { questions, admit, passes } = limiterWith(OLD, NEW);
    questions.required = [OLD.keyId, NEW.keyId];
    for (const named of [[OLD], [NEW], [OTHER]] as const) {
      expect(await admit.admitAttempt(namedUnder(named))).toMatchObject({ outcome: 'unavailable' });
    }
    expect(await passes(2, OLD, NEW)).toBe(2);
  });

  it('a limiter that shares no key with the adapter admits nothing, and says so once a minute', async () => {
    let logged = 0;
    const foreign = new ForeignKeys(bed.clock, () => void logged++);
    const admit = bed.with(bed.store, new LimitRequests(bed.policies, [OTHER], bed.clock, foreign));
    for (let n = 0; n < 3; n++) {
      expect(await admit.admitAttempt(namedUnder([OLD, NEW]))).toMatchObject({ outcome: 'unavailable' });
    }
    expect([logged, foreign.isSeen]).toEqual([1, true]);
    bed.clock.advance(61_000);
    expect(foreign.isSeen).toBe(false);
    await admit.admitAttempt(namedUnder([OLD, NEW]));
    expect([logged, foreign.isSeen]).toEqual([2, true]);
  });

  it('a repetition is free by the names of both keys', async () => {
    const { admit } = limiterWith(OLD, NEW);
    const first = namedUnder([OLD, NEW]);
    const again = Object.assign(namedUnder([NEW, OLD]), { alsoNamed: [namesOf(first)] }, first.alsoNamed[0]);
    for (let n = 0; n < 20; n++)
      expect(await admit.admitAttempt(n % 2 === 0 ? first : again)).toBeInstanceOf(VerificationAdmitted);
    expect(await limiterWith(OLD).passes(12, OLD)).toBe(9);
    expect(await limiterWith(NEW).passes(12, NEW)).toBe(9);
  });

  it('an override that knows its caller by the old name alone holds for both, and so does one that has both', async () => {
    const { questions, passes } = limiterWith(NEW, OLD);
    const override = (names: readonly KeysOfOne[], limit: number): void => {
      const of = names.map(({ keyId }) => ({ keyId, target: callerUnder(keyId) }));
      const rule = {
        dimension: 'caller',
        target: of[0]?.target ?? '',
        limit,
        periodSeconds: 60,
        reasonKey: REASON,
      } as const;
      const overrides = [{ ...rule, names: of, endsAt: bed.clock.now() + 600_000 }];
      questions.settings = new Map([['acme', { overrides, tightenedUntil: 0 }]]);
    };
    override([OLD], 14);
    expect(await passes(20, NEW, OLD)).toBe(14);
    bed.clock.advance(61_000);
    override([OLD, NEW], 4);
    expect(await limiterWith(NEW).passes(20, NEW)).toBe(10);
    expect(await passes(20, NEW)).toBe(0);
    bed.clock.advance(61_000);
    expect(await passes(20, NEW)).toBe(4);
  });
});

function namesOf({ keyId, commandId, subjectRef }: VerificationRequested): NamesUnderKey {
  return { keyId, commandId, subjectRef, callerKey: callerUnder(keyId) };
}
