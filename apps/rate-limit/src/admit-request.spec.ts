import { randomUUID } from 'node:crypto';
import {
  message,
  VerificationAdmitted,
  VerificationDecided,
  VerificationRequested,
  type Limit,
} from '@countersign/contracts';
import { ServiceError } from '@countersign/service';
import { ManualClock } from '@countersign/testing';
import { AdmitRequest } from './admit-request.js';
import { LimitPolicies, LimitStore, type LimitDecision } from './ports.js';
import { MemoryLimitStore } from './store/limit.memory-store.js';

class OneAgent extends LimitPolicies {
  override callerLimit(tenant: string, agent: string): Limit | undefined {
    return tenant === 'acme' && agent === 'desk' ? { limit: 10, periodSeconds: 60 } : undefined;
  }
}

const request = (more: Partial<VerificationRequested> = {}): VerificationRequested =>
  message(VerificationRequested, {
    commandId: randomUUID(),
    fingerprint: 'f'.repeat(64),
    repeatSeconds: 60,
    tenant: 'acme',
    agent: 'desk',
    channel: 'swaig',
    method: 'pin',
    subjectKind: 'id',
    subjectRef: 'alice',
    callerKey: 'c'.repeat(64),
    callerTail: '23',
    sealed: 'sealed-for-somebody-else',
    ...more,
  });

describe('the rate limiter', () => {
  it('lets ten requests of a caller pass untouched and refuses the eleventh, whoever is asked about', async () => {
    const clock = new ManualClock();
    const store = new MemoryLimitStore(clock);
    const admit = new AdmitRequest(store, new OneAgent());
    for (let n = 0; n < 10; n++) {
      const asked = request({ subjectRef: `subject-${n}` });
      const passed = await admit.execute(asked);
      expect(passed).toBeInstanceOf(VerificationAdmitted);
      expect(passed).toEqual(Object.assign(new VerificationAdmitted(), asked));
    }
    clock.advance(20_000);
    const refused = await admit.execute(request());
    expect(refused).toMatchObject({ outcome: 'rate_limited', level: 'none', retryAfterSeconds: 40 });
    expect(store.facts).toMatchObject([{ kind: 'limit.refused', outcome: 'rate_limited', callerTail: '23' }]);
    expect(JSON.stringify(store.facts)).not.toContain('sealed-for-somebody-else');
  });

  it('lets nothing pass without a policy', async () => {
    const admit = new AdmitRequest(new MemoryLimitStore(new ManualClock()), new OneAgent());
    for (const more of [{ tenant: 'other' }, { agent: 'gone' }]) {
      expect(await admit.execute(request(more))).toMatchObject({ outcome: 'unavailable' });
    }
  });

  it('lets nothing pass when its store is down', async () => {
    class DownStore extends LimitStore {
      override admit(): Promise<LimitDecision> {
        return Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
      }
    }
    const answer = await new AdmitRequest(new DownStore(), new OneAgent()).execute(request());
    expect(answer).toBeInstanceOf(VerificationDecided);
    expect(answer).toMatchObject({ outcome: 'unavailable' });
  });
});
