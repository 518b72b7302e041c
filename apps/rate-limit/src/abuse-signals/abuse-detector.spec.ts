import { VerificationAdmitted } from '@countersign/contracts';
import { requestOf, RateLimitTestBed } from '../../test/test-bed.js';

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

const callers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n).padStart(64, '0'));

describe('the abuse detector', () => {
  it('reports a caller that tries two hundred subjects once', async () => {
    for (let n = 0; n < 200; n++) await bed.admit.admitAttempt(requestOf({ subjectRef: `customer-${n}` }));
    await bed.report.flush();
    const signals = bed.log.facts.filter(({ kind }) => kind === 'signal.spray');
    expect(signals).toMatchObject([{ callerTail: '23', detail: { subjects: 10 } }]);
  });

  it('reports two hundred callers of one subject once, and again in a later span if they continue', async () => {
    const attack = async (): Promise<void> => {
      for (const callerKey of callers(200)) await bed.admit.admitAttempt(requestOf({ callerKey }));
    };
    await attack();
    await bed.report.flush();
    const reported = () => bed.log.facts.filter(({ kind }) => kind === 'signal.distributed');
    expect(reported()).toMatchObject([{ subjectKey: bed.keys.subjectKey(requestOf()), detail: { callers: 10 } }]);
    bed.clock.advance(600_000);
    await attack();
    await bed.report.flush();
    expect(reported()).toHaveLength(2);
  });

  it('records the keyed hash of a subject, never the text that a caller made up', async () => {
    const subjectRef = 'text of whoever calls';
    for (const callerKey of callers(11)) await bed.admit.admitAttempt(requestOf({ callerKey, subjectRef }));
    for (let n = 0; n < 11; n++) await bed.admit.admitAttempt(requestOf({ subjectRef: `${subjectRef} ${n}` }));
    await bed.report.flush();
    const kinds = bed.log.facts.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['signal.distributed', 'signal.spray', 'limit.refused']));
    expect(JSON.stringify(bed.log.facts)).not.toContain(subjectRef);
  });

  it('reports both kinds of attack after thirty thousand honest requests in the same minute', async () => {
    const { signals } = bed.policies;
    const note = (caller: string, subject: string): void => {
      const checks = [
        { dimension: 'caller', key: caller },
        { dimension: 'subject', key: subject },
      ] as const;
      const rule = { limit: 10, periodSeconds: 60 };
      const limitRequest = {
        command: '1',
        repeatSeconds: 60,
        checks: checks.map((check) => ({ ...check, rule, shadow: false })),
      };
      bed.abuseDetector.note(honest, { ...limitRequest, member: subject }, signals);
    };
    const honest = requestOf();
    for (let n = 0; n < 30_000; n++) note(`caller-${n}`, `subject-${n}`);
    for (let n = 0; n < 200; n++) note(`distributed-${n}`, 'target');
    for (let n = 0; n < 200; n++) note('sprayer', `target-${n}`);
    await bed.report.flush();
    expect(bed.log.facts.map(({ kind }) => kind)).toEqual(['signal.distributed', 'signal.spray']);
  });

  it('reports nothing for callers who each use one subject of their own', async () => {
    for (const callerKey of callers(300)) {
      await bed.admit.admitAttempt(requestOf({ callerKey, subjectRef: `customer-${callerKey}` }));
    }
    await bed.report.flush();
    expect(bed.log.facts).toEqual([]);
  });

  it('halves the limits of the tenant for ten minutes if its policy demands it', async () => {
    bed.policies.signals = { ...bed.policies.signals, stricter: true };
    for (const callerKey of callers(10)) await bed.admit.admitAttempt(requestOf({ callerKey }));
    await Promise.all(bed.tightened);
    const fresh = 'f'.repeat(64);
    const admitted = async (): Promise<number> => {
      let count = 0;
      for (let n = 0; n < 12; n++) {
        const answer = await bed.admit.admitAttempt(requestOf({ callerKey: fresh, subjectRef: 'fresh' }));
        if (answer instanceof VerificationAdmitted) count++;
      }
      return count;
    };
    expect(await admitted()).toBe(5);
    bed.clock.advance(601_000);
    expect(await admitted()).toBe(10);
    expect(bed.log.facts.map(({ kind }) => kind)).toContain('limit.tightened');
  });
});
