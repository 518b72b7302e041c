import { availableParallelism } from 'node:os';
import { randomBytes, randomUUID } from 'node:crypto';
import { measure } from './children.js';
import { each, EnumTenant, type EnumerationTarget, type Seen } from './enum-doors.js';
import { median } from './figures.js';
import { options } from './options.js';
import { keep, row, say } from './report.js';
import { BenchStand } from './stand.js';

/**
 * Does an answer tell whether there is such a subject? Every class of the contract is guessed at equally often, in turn and
 * one guess at a time, each sample at a reference of its own. The answers of a group must be the same bytes; the
 * difference of their medians is held against the time of one hash. Ends with code 1 when bytes differ.
 */
const PIN = '8305';
const WRONG = '4829';
/** What a difference of medians may be, as a share of the time of a hash. */
const TOLERATED = 0.05;
const CAP = 10;

/** A guess whose answer is looked at. */
interface Sample {
  readonly name: string;
  readonly group: 'first guess' | 'after the budget';
  readonly guess: (door: EnumerationTarget, at: number) => Promise<Seen>;
}

const given = options({ samples: '300' });
const samples = Number(given.samples);
const figures: object[] = [];
let different = false;

await BenchStand.with(async (stand) => {
  const product = await stand.install('separate', { subjects: 1 });
  const { perSecond } = await measure<{ perSecond: number }>('argon-loop.js', [5]);
  const hashMs = (1000 * availableParallelism()) / perSecond;
  const suffix = randomBytes(3).toString('hex');
  const own = await EnumTenant.make(product, `enum-${suffix}`);
  const other = await EnumTenant.make(product, `other-${suffix}`);
  for (const [door, through] of Object.entries(own.doors)) {
    say(`${door}: preparing ${samples} references of each class`);
    const all = await classes(own, other);
    const seen = new Map<string, Seen[]>(all.map(({ name }) => [name, []]));
    for (let at = 0; at < samples; at++) {
      // Who comes first changes from round to round. The second guess at a reference comes after the first.
      for (const group of ['first guess', 'after the budget'] as const) {
        const round = all.filter((sample) => sample.group === group);
        for (let n = 0; n < round.length; n++) {
          const sample = round[(n + at) % round.length] as Sample;
          seen.get(sample.name)?.push(await sample.guess(through, at));
        }
      }
      if (at % 50 === 49) say(`  ${at + 1} of ${samples}`);
    }
    report(door, all, seen, hashMs);
  }
});
keep('enum', { at: new Date().toISOString(), samples, figures });
process.exitCode = different ? 1 : 0;

/** Fresh references for every class, brought to the state that the class is about. */
async function classes(own: EnumTenant, other: EnumTenant): Promise<Sample[]> {
  const [wrong, disabled] = [await own.subjects(samples, PIN), await own.subjects(samples, PIN)];
  const [bare, foreign] = [await own.subjects(samples, undefined), await other.subjects(samples, PIN)];
  const nobody = (): string[] => Array.from({ length: samples }, () => `s-${randomUUID()}`);
  const [unknown, spent, locked, ghosts] = [
    nobody(),
    await own.subjects(samples, PIN),
    await own.subjects(samples, PIN),
    nobody(),
  ];
  const overLong = nobody().map((name) => name.repeat(6));
  const times = async (references: readonly string[], count: number): Promise<void> =>
    each(references, async (reference) => {
      for (let n = 0; n < count; n++) await own.wide(reference, WRONG);
    });
  await times(disabled, CAP);
  const usual = async (references: readonly string[], count: number): Promise<void> =>
    each(references, async (reference) => {
      for (let n = 0; n < count; n++) await own.doors.rest(reference, WRONG);
    });
  await usual(spent, 2);
  await usual(locked, 3);
  await usual(ghosts, 3);
  const sample = (name: string, group: Sample['group'], references: readonly string[], pin = WRONG): Sample => ({
    name,
    group,
    guess: (door, at) => door(references[at] ?? '', pin),
  });
  return [
    sample('wrong', 'first guess', wrong),
    sample('unknown', 'first guess', unknown),
    sample('not enrolled', 'first guess', bare),
    sample("another tenant's", 'first guess', foreign, PIN),
    // Not a subject id: REST says so before anybody is asked, in the same words for every such id.
    ...(overLong[0] === undefined ? [] : [sample('over-long', 'first guess', overLong)]),
    sample('budget spent', 'after the budget', spent),
    sample('locked, right PIN', 'after the budget', locked, PIN),
    sample('disabled, right PIN', 'after the budget', disabled, PIN),
    sample('unknown, locked', 'after the budget', ghosts),
  ];
}

function report(door: string, all: readonly Sample[], seen: ReadonlyMap<string, Seen[]>, hashMs: number): void {
  const lines = ['', `${door}: ${samples} guesses of each class, a hash takes ${hashMs.toFixed(1)} ms`];
  for (const group of ['first guess', 'after the budget'] as const) {
    const of = all.filter((one) => one.group === group && !(door === 'rest' && one.name === 'over-long'));
    const medians = of.map(({ name }) => median((seen.get(name) ?? []).map(({ ms }) => ms)));
    const answers = new Set(of.flatMap(({ name }) => (seen.get(name) ?? []).map(({ bytes }) => bytes)));
    const apart = (Math.max(...medians) - Math.min(...medians)) / hashMs;
    if (answers.size !== 1) different = true;
    lines.push(...of.map(({ name }, at) => row(`  ${group}: ${name}, median ms`, (medians[at] ?? NaN).toFixed(2))));
    lines.push(row('  different answers', String(answers.size)));
    lines.push(
      row(
        `  medians apart, share of a hash (at most ${TOLERATED})`,
        `${apart.toFixed(3)} ${apart > TOLERATED ? 'TOO FAR' : 'ok'}`,
      ),
    );
    if (answers.size !== 1) lines.push(...[...answers].map((answer) => JSON.stringify(answer)));
    figures.push({
      door,
      group,
      hashMs,
      apart,
      different: answers.size,
      medians: Object.fromEntries(of.map(({ name }, at) => [name, medians[at]])),
    });
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}
