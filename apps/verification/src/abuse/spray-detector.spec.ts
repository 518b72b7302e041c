import { message, VerificationAdmitted, type FactRecorded } from '@countersign/contracts';
import { ManualClock } from '@countersign/testing';
import { SprayDetector } from './spray-detector.js';

const PIN = '73918264';
const TIME = '2026-01-01T00:00:00.000Z';
let clock: ManualClock;
let watch: SprayDetector;
let commands: number;
beforeEach(() => {
  clock = new ManualClock();
  watch = new SprayDetector(() => undefined, clock);
  commands = 0;
});

function wrong(subject: string, pin = PIN, agent = 'desk', callerKey = 'c'.repeat(64)): FactRecorded[] {
  const commandId = `command-${commands++}`;
  const command = message(VerificationAdmitted, {
    ...{ commandId, repeatSeconds: 60, tenant: 'acme', agent, channel: 'swaig' },
    ...{ method: 'pin', subjectKind: 'id', subjectRef: subject, callerKey, callerTail: '23', sealed: 'sealed' },
    ...{ subjectIsCaller: false, keyId: 'k', alsoNamed: [] },
  } as const);
  watch.wrong(command, subject, pin, new Date(TIME));
  return watch.facts(commandId);
}

const subjects = (count: number): string[] => Array.from({ length: count }, (_, n) => `customer-${n}`);
const kinds = (facts: readonly FactRecorded[]): string[] => facts.map(({ kind }) => kind);

describe('the watch over wrong PINs', () => {
  it('reports one PIN at two hundred subjects once, from one number and from two hundred', () => {
    const one = subjects(200).flatMap((subject) => wrong(subject));
    expect(kinds(one)).toEqual(['signal.pin_spray', 'signal.spray']);
    expect(one[0]).toMatchObject({ tenant: 'acme', agent: 'desk', time: TIME, detail: { subjects: 10 } });
    watch = new SprayDetector(() => undefined, clock);
    const many = subjects(200).flatMap((subject, n) => wrong(subject, PIN, `desk-${n}`, String(n).padStart(64, '0')));
    expect(kinds(many)).toEqual(['signal.pin_spray']);
  });

  it('says nothing of a subject that tries many PINs, or of many that try their own', () => {
    const facts = subjects(90).flatMap((subject, n) => [
      ...wrong('alice', `${1000 + n}`),
      ...wrong(subject, `${5000 + n}`),
    ]);
    expect(facts).toEqual([]);
  });

  it('reports one PIN after sixty thousand wrong PINs of callers who all tried their own', () => {
    for (let n = 0; n < 60_000; n++) wrong(`own-${n}`, String(100_000 + n), `desk-${n}`);
    expect(kinds(subjects(200).flatMap((subject) => wrong(subject, PIN, `desk-${subject}`)))).toEqual([
      'signal.pin_spray',
    ]);
  });

  it('forgets what is older than ten minutes, and tells again what goes on', () => {
    for (const subject of subjects(9)) wrong(subject);
    clock.advance(300_000);
    wrong('another', '5555');
    clock.advance(300_000);
    expect(wrong('late')).toEqual([]);
    expect(kinds(subjects(30).flatMap((subject) => wrong(subject)))).toEqual(['signal.pin_spray']);
    clock.advance(300_000);
    expect(kinds(wrong('late'))).toEqual(['signal.pin_spray']);
  });

  it('shows no PIN, in no form that could be searched for', () => {
    const facts = subjects(200).flatMap((subject) => wrong(subject));
    expect(JSON.stringify(facts)).not.toContain(PIN);
  });

  it('asks for stricter limits where the policy says so, once', () => {
    watch = new SprayDetector(() => ({ stricter: true, subjectsPerPin: 3 }), clock);
    for (const subject of subjects(20)) wrong(subject);
    expect(watch.take()).toMatchObject([{ tenant: 'acme', seconds: 600 }]);
    expect(watch.take()).toEqual([]);
  });
});
