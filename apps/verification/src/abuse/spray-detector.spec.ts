import { type FactRecorded } from '@countersign/contracts';
import { ManualClock } from '@countersign/testing';
import { SprayDetector, type SpraySignals } from './spray-detector.js';

const PIN = '73918264';
const TIME = '2026-01-01T00:00:00.000Z';
let clock: ManualClock;
let detector: SprayDetector;
beforeEach(() => {
  clock = new ManualClock();
  detector = new SprayDetector(() => undefined, clock);
});

const signalsOf = (subject: string, pin = PIN, agent = 'desk'): SpraySignals | undefined =>
  detector.addWrongPin({ tenant: 'acme', agent, channel: 'swaig' }, subject, pin, new Date(TIME));
const wrong = (subject: string, pin?: string, agent?: string): readonly FactRecorded[] =>
  signalsOf(subject, pin, agent)?.facts ?? [];

const subjects = (count: number): string[] => Array.from({ length: count }, (_, n) => `customer-${n}`);
const kinds = (facts: readonly FactRecorded[]): string[] => facts.map(({ kind }) => kind);

describe('the spray detector', () => {
  it('reports one PIN at two hundred subjects once, from one agent and from two hundred', () => {
    const one = subjects(200).flatMap((subject) => wrong(subject));
    expect(kinds(one)).toEqual(['signal.pin_spray', 'signal.spray']);
    expect(one[0]).toMatchObject({ tenant: 'acme', agent: 'desk', time: TIME, detail: { subjects: 10 } });
    detector = new SprayDetector(() => undefined, clock);
    const many = subjects(200).flatMap((subject, n) => wrong(subject, PIN, `desk-${n}`));
    expect(kinds(many)).toEqual(['signal.pin_spray']);
  });

  it('reports neither one subject with many wrong PINs nor many subjects with one wrong PIN each', () => {
    const facts = subjects(90).flatMap((subject, n) => [
      ...wrong('alice', `${1000 + n}`),
      ...wrong(subject, `${5000 + n}`),
    ]);
    expect(facts).toEqual([]);
  });

  it('reports one PIN at many subjects after sixty thousand subjects with a wrong PIN of their own', () => {
    for (let n = 0; n < 60_000; n++) wrong(`own-${n}`, String(100_000 + n), `desk-${n}`);
    expect(kinds(subjects(200).flatMap((subject) => wrong(subject, PIN, `desk-${subject}`)))).toEqual([
      'signal.pin_spray',
    ]);
  });

  it('does not count what is older than ten minutes, and reports an attack that goes on once per span', () => {
    for (const subject of subjects(9)) wrong(subject);
    clock.advance(300_000);
    wrong('another', '5555');
    clock.advance(300_000);
    expect(wrong('late')).toEqual([]);
    expect(kinds(subjects(30).flatMap((subject) => wrong(subject)))).toEqual(['signal.pin_spray']);
    clock.advance(300_000);
    expect(kinds(wrong('late'))).toEqual(['signal.pin_spray']);
  });

  it('puts no PIN into a signal', () => {
    const signals = subjects(200).map((subject) => signalsOf(subject));
    expect(JSON.stringify(signals)).not.toContain(PIN);
  });

  it('requests tightened limits once, if the policy says so', () => {
    detector = new SprayDetector(() => ({ stricter: true, subjectsPerPin: 3 }), clock);
    const tightened = subjects(20).flatMap((subject) => signalsOf(subject)?.tighten ?? []);
    expect(tightened).toMatchObject([{ tenant: 'acme', seconds: 600 }]);
  });

  it('reports a withdrawn signal at the next wrong PIN, also at a subject that was counted before', () => {
    detector = new SprayDetector(() => ({ subjectsPerPin: 2 }), clock);
    wrong('alice');
    const lost = signalsOf('bob');
    expect(kinds(lost?.facts ?? [])).toEqual(['signal.pin_spray']);
    expect(wrong('bob')).toEqual([]);
    if (lost) detector.withdraw(lost);
    expect(kinds(wrong('bob'))).toEqual(['signal.pin_spray']);
    expect(wrong('carol')).toEqual([]);
  });
});
