import { randomUUID } from 'node:crypto';
import { LimitRequested, message, VerificationAdmitted, VerificationRequested } from '@countersign/contracts';
import { requestOf, RateLimitTestBed } from '../../test/test-bed.js';

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

const counts = (): unknown[] =>
  bed.log.facts.filter(({ kind }) => kind === 'limit.refused').map(({ detail }) => detail?.['count']);

describe('the counters of the limiter', () => {
  it('are separate for REST and the telephone, also for simultaneous requests about the same names', async () => {
    bed.policies.limits = {
      ...bed.policies.limits,
      call: { limit: 10, periodSeconds: 60 },
      subject: { limit: 10, periodSeconds: 60 },
    };
    const same = { callId: 'call-1', subjectKind: 'phone', subjectRef: 'd'.repeat(64) } as const;
    const admit = async (channel: 'swaig' | 'rest'): Promise<string> => {
      const answer = await bed.admit.admitAttempt(requestOf({ ...same, channel }));
      return answer instanceof VerificationAdmitted ? channel : 'refused';
    };
    const requests = Array.from({ length: 60 }, (_, n) => admit(n % 3 === 0 ? 'swaig' : 'rest'));
    const admitted = await Promise.all(requests);
    const count = (channel: string): number => admitted.filter((one) => one === channel).length;
    expect([count('swaig'), count('rest')]).toEqual([10, 10]);
  });

  it('admit a caller about the subject of the own number, however many other subjects the number was used for', async () => {
    bed.policies.limits = { ...bed.policies.limits, subjectsPerCaller: { limit: 5, periodSeconds: 3600 } };
    const admit = async (more: Partial<VerificationAdmitted>): Promise<boolean> =>
      (await bed.admit.admitAttempt(requestOf(more))) instanceof VerificationAdmitted;
    for (let n = 0; n < 8; n++) expect(await admit({ subjectRef: `s-${n}` })).toBe(n < 5);
    const own = { subjectKind: 'phone', subjectRef: 'd'.repeat(64), subjectIsCaller: true } as const;
    expect(await admit(own)).toBe(true);
    expect(await admit({ subjectRef: 's-9' })).toBe(false);
  });

  it('apply the remaining limits to a request without a caller, and admit its repetition for free', async () => {
    bed.policies.limits = { ...bed.policies.limits, subject: { limit: 3, periodSeconds: 60 } };
    const withoutCaller = (): VerificationRequested => {
      const { callerKey: _, ...request } = requestOf({ channel: 'rest', callerTail: '', repeatSeconds: 86_400 });
      return message(VerificationRequested, request);
    };
    const first = withoutCaller();
    expect(await bed.admit.admitAttempt(first)).toBeInstanceOf(VerificationAdmitted);
    for (let n = 0; n < 5; n++) await bed.admit.admitAttempt(withoutCaller());
    expect(await bed.admit.admitAttempt(withoutCaller())).toMatchObject({ limitedBy: { dimension: 'subject' } });
    expect(await bed.admit.admitAttempt(first)).toBeInstanceOf(VerificationAdmitted);
    expect(bed.log.facts.map(({ kind, callerKey }) => [kind, callerKey])).toContainEqual(['limit.refused', undefined]);
  });

  it.each([
    ['call', { callId: 'call-1' }],
    ['agent', {}],
    ['tenant', {}],
  ] as const)(
    'count every delivery of a request without a submitted secret for the limit %s',
    async (dimension, of) => {
      bed.policies.limits = { ...bed.policies.limits, [dimension]: { limit: 3, periodSeconds: 60 } };
      const request = message(LimitRequested, {
        ...{ commandId: 'command-1', tenant: 'acme', agent: 'desk', channel: 'swaig', action: 'function', ...of },
      } as const);
      const outcomes: string[] = [];
      for (let n = 0; n < 50; n++) outcomes.push((await bed.admit.decide(request)).outcome);
      expect(outcomes.filter((outcome) => outcome === 'admitted')).toHaveLength(3);
      expect(await bed.admit.decide(request)).toMatchObject({ outcome: 'rate_limited', limitedBy: { dimension } });
      expect(bed.store.decided).toBe(4);
      await bed.report.flush();
      expect(counts()).toEqual([1, 47]);
    },
  );

  it('count enrolments, also of an unknown tenant, separately from attempts', async () => {
    const enrol = (tenant: string) =>
      bed.admit.decide(
        message(LimitRequested, {
          ...{ commandId: randomUUID(), tenant, channel: 'rest', action: 'enrolment', subject: 'bob' },
        } as const),
      );
    bed.policies.limits = { ...bed.policies.limits, subject: { limit: 20, periodSeconds: 60 } };
    for (const tenant of ['acme', 'not-known-here']) {
      const outcomes: string[] = [];
      for (let n = 0; n < 25; n++) outcomes.push((await enrol(tenant)).outcome);
      expect(outcomes.filter((outcome) => outcome === 'admitted')).toHaveLength(20);
    }
    expect(await bed.admit.admitAttempt(requestOf({ subjectRef: 'bob' }))).toBeInstanceOf(VerificationAdmitted);
  });
});
