import { VerificationAdmitted } from '@countersign/contracts';
import { requestOf, RateLimitTestBed } from '../../test/test-bed.js';

let bed: RateLimitTestBed;
beforeEach(() => {
  bed = new RateLimitTestBed();
});

const callers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n).padStart(64, '0'));

describe('attacks above single keys', () => {
  it('reports one number that asks about two hundred subjects, once', async () => {
    for (let n = 0; n < 200; n++) await bed.admit.admitAttempt(requestOf({ subjectRef: `customer-${n}` }));
    await bed.report.flush();
    const signals = bed.log.facts.filter(({ kind }) => kind === 'signal.spray');
    expect(signals).toMatchObject([{ callerTail: '23', detail: { subjects: 10 } }]);
  });

  it('reports two hundred numbers that ask about one subject, once, and again when it goes on', async () => {
    const attack = async (): Promise<void> => {
      for (const callerKey of callers(200)) await bed.admit.admitAttempt(requestOf({ callerKey }));
    };
    await attack();
    await bed.report.flush();
    const told = () => bed.log.facts.filter(({ kind }) => kind === 'signal.distributed');
    expect(told()).toMatchObject([{ subjectKey: bed.keys.subjectKey(requestOf()), detail: { callers: 10 } }]);
    bed.clock.advance(600_000);
    await attack();
    await bed.report.flush();
    expect(told()).toHaveLength(2);
  });

  it('puts no subject on record that a caller has made up, only its keyed hash', async () => {
    const subjectRef = 'text of whoever calls';
    for (const callerKey of callers(11)) await bed.admit.admitAttempt(requestOf({ callerKey, subjectRef }));
    for (let n = 0; n < 11; n++) await bed.admit.admitAttempt(requestOf({ subjectRef: `${subjectRef} ${n}` }));
    await bed.report.flush();
    const kinds = bed.log.facts.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['signal.distributed', 'signal.spray', 'limit.refused']));
    expect(JSON.stringify(bed.log.facts)).not.toContain(subjectRef);
  });

  it('reports both after thirty thousand honest requests of the same minute', async () => {
    const { signals } = bed.policies;
    const note = (caller: string, subject: string): void => {
      const checks = [
        { dimension: 'caller', key: caller },
        { dimension: 'subject', key: subject },
      ] as const;
      const rule = { limit: 10, periodSeconds: 60 };
      const asked = {
        command: '1',
        repeatSeconds: 60,
        checks: checks.map((check) => ({ ...check, rule, shadow: false })),
      };
      bed.abuseDetector.note(honest, { ...asked, member: subject }, signals);
    };
    const honest = requestOf();
    for (let n = 0; n < 30_000; n++) note(`caller-${n}`, `subject-${n}`);
    for (let n = 0; n < 200; n++) note(`distributed-${n}`, 'target');
    for (let n = 0; n < 200; n++) note('sprayer', `target-${n}`);
    await bed.report.flush();
    expect(bed.log.facts.map(({ kind }) => kind)).toEqual(['signal.distributed', 'signal.spray']);
  });

  it('says nothing of callers who ask about themselves', async () => {
    for (const callerKey of callers(300)) {
      await bed.admit.admitAttempt(requestOf({ callerKey, subjectRef: `customer-${callerKey}` }));
    }
    await bed.report.flush();
    expect(bed.log.facts).toEqual([]);
  });

  it('halves the limits of the tenant for ten minutes where its policy says so', async () => {
    bed.policies.signals = { ...bed.policies.signals, stricter: true };
    for (const callerKey of callers(10)) await bed.admit.admitAttempt(requestOf({ callerKey }));
    await Promise.all(bed.tightened);
    const fresh = 'f'.repeat(64);
    const passes = async (): Promise<number> => {
      let passed = 0;
      for (let n = 0; n < 12; n++) {
        const answer = await bed.admit.admitAttempt(requestOf({ callerKey: fresh, subjectRef: 'fresh' }));
        if (answer instanceof VerificationAdmitted) passed++;
      }
      return passed;
    };
    expect(await passes()).toBe(5);
    bed.clock.advance(601_000);
    expect(await passes()).toBe(10);
    expect(bed.log.facts.map(({ kind }) => kind)).toContain('limit.tightened');
  });
});
