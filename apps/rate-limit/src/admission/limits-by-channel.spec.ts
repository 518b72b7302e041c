import { randomUUID } from 'node:crypto';
import { LimitRequested, message, VerificationAdmitted, VerificationRequested } from '@countersign/contracts';
import { requestOf, RateLimitTestBed } from '../../test/test-bed.js';

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

const counts = (): unknown[] =>
  bed.log.facts.filter(({ kind }) => kind === 'limit.refused').map(({ detail }) => detail?.['count']);

describe('what the limiter counts together', () => {
  it('lets nothing that is named over REST use up a limit of the telephone, all at once', async () => {
    bed.policies.limits = {
      ...bed.policies.limits,
      call: { limit: 10, periodSeconds: 60 },
      subject: { limit: 10, periodSeconds: 60 },
    };
    const same = { callId: 'call-1', subjectKind: 'phone', subjectRef: 'd'.repeat(64) } as const;
    const ask = async (channel: 'swaig' | 'rest'): Promise<string> => {
      const answer = await bed.admit.admitAttempt(requestOf({ ...same, channel }));
      return answer instanceof VerificationAdmitted ? channel : 'refused';
    };
    const asked = Array.from({ length: 60 }, (_, n) => ask(n % 3 === 0 ? 'swaig' : 'rest'));
    const passed = await Promise.all(asked);
    const count = (channel: string): number => passed.filter((one) => one === channel).length;
    expect([count('swaig'), count('rest')]).toEqual([10, 10]);
  });

  it('lets a caller ask about the owner of the own number, however many others its number was used for', async () => {
    bed.policies.limits = { ...bed.policies.limits, subjectsPerCaller: { limit: 5, periodSeconds: 3600 } };
    const ask = async (more: Partial<VerificationAdmitted>): Promise<boolean> =>
      (await bed.admit.admitAttempt(requestOf(more))) instanceof VerificationAdmitted;
    for (let n = 0; n < 8; n++) expect(await ask({ subjectRef: `s-${n}` })).toBe(n < 5);
    const own = { subjectKind: 'phone', subjectRef: 'd'.repeat(64), subjectIsCaller: true } as const;
    expect(await ask(own)).toBe(true);
    expect(await ask({ subjectRef: 's-9' })).toBe(false);
  });

  it('lets a request without a caller pass by the limits that it has, and its repetition for free', async () => {
    bed.policies.limits = { ...bed.policies.limits, subject: { limit: 3, periodSeconds: 60 } };
    const ask = (): VerificationRequested => {
      const { callerKey: _, ...request } = requestOf({ channel: 'rest', callerTail: '', repeatSeconds: 86_400 });
      return message(VerificationRequested, request);
    };
    const first = ask();
    expect(await bed.admit.admitAttempt(first)).toBeInstanceOf(VerificationAdmitted);
    for (let n = 0; n < 5; n++) await bed.admit.admitAttempt(ask());
    expect(await bed.admit.admitAttempt(ask())).toMatchObject({ limitedBy: { dimension: 'subject' } });
    expect(await bed.admit.admitAttempt(first)).toBeInstanceOf(VerificationAdmitted);
    expect(bed.log.facts.map(({ kind, callerKey }) => [kind, callerKey])).toContainEqual(['limit.refused', undefined]);
  });

  it.each([
    ['call', { callId: 'call-1' }],
    ['agent', {}],
    ['tenant', {}],
  ] as const)(
    'counts requests that bring no guess by the limit of %s, each time that they come',
    async (dimension, of) => {
      bed.policies.limits = { ...bed.policies.limits, [dimension]: { limit: 3, periodSeconds: 60 } };
      const asked = message(LimitRequested, {
        ...{ commandId: 'command-1', tenant: 'acme', agent: 'desk', channel: 'swaig', action: 'function', ...of },
      } as const);
      const outcomes: string[] = [];
      for (let n = 0; n < 50; n++) outcomes.push((await bed.admit.decide(asked)).outcome);
      expect(outcomes.filter((outcome) => outcome === 'admitted')).toHaveLength(3);
      expect(await bed.admit.decide(asked)).toMatchObject({ outcome: 'rate_limited', limitedBy: { dimension } });
      expect(bed.store.decided).toBe(4);
      await bed.report.flush();
      expect(counts()).toEqual([1, 47]);
    },
  );

  it('counts enrolments also of a tenant that it does not know, apart from guesses', async () => {
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
