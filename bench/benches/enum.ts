import { availableParallelism } from 'node:os';
import { randomBytes, randomUUID } from 'node:crypto';
import { measure } from '../children.js';
import { distanceOf, shuffled } from '../distance.js';
import { each, ProbedTenant, type Prober } from '../enum-clients.js';
import { median } from '../figures.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';
import { SampledConnection, type TimedAnswer } from '../timed-answer.js';

/**
 * Does an answer reveal whether a subject exists? Every class of the contract is attempted equally often, in random order and
 * one attempt at a time, each sample at a reference of its own. The answers of a group must have the same bytes. The
 * difference of their medians is compared with the time of one hash, and with what chance alone does on this machine. Ends
 * with code 1 when bytes differ.
 */
const PIN = '8305';
const WRONG = '4829';
/** The largest accepted difference of medians, as a share of the time of a hash. */
const TOLERATED = 0.05;
const CAP = 10;

/** An attempt with an answer to compare. */
interface Sample {
  readonly name: string;
  readonly group: 'first attempt' | 'after the window is used up';
  readonly run: (prober: Prober, at: number, connection: SampledConnection) => Promise<TimedAnswer>;
}

const GROUPS = ['first attempt', 'after the window is used up'] as const;
const given = options({ samples: '300', channels: 'swaig,rest' });
const samples = Number(given.samples);
const figures: object[] = [];
let different = false;

await BenchRig.with(async (rig) => {
  const product = await rig.install('separate', { subjects: 1 });
  const { perSecond } = await measure<{ perSecond: number }>('argon-loop.js', [5]);
  const hashMs = (1000 * availableParallelism()) / perSecond;
  const suffix = randomBytes(3).toString('hex');
  const own = await ProbedTenant.make(product, `enum-${suffix}`);
  const other = await ProbedTenant.make(product, `other-${suffix}`);
  for (const [channel, prober] of Object.entries(own.probers)) {
    if (!given.channels.split(',').includes(channel)) continue;
    say(`${channel}: preparing ${samples} references of each class`);
    const all = await classes(own, other);
    const seen = new Map<string, TimedAnswer[]>(all.map(({ name }) => [name, []]));
    const connection = new SampledConnection();
    for (let at = 0; at < samples; at++) {
      await connection.makeRoom(all.length, (agent) => prober(`s-${randomUUID()}`, WRONG, agent));
      // The second attempt at a reference comes after the first.
      for (const group of GROUPS) {
        for (const sample of shuffled(all.filter((one) => one.group === group)))
          seen.get(sample.name)?.push(await sample.run(prober, at, connection));
      }
      if (at % 50 === 49) say(`  ${at + 1} of ${samples}`);
    }
    connection.close();
    report(channel, all, seen, hashMs);
  }
});
keep('enum', { at: new Date().toISOString(), samples, figures });
process.exitCode = different ? 1 : 0;

/** New references for every class, in the state of the class. */
async function classes(own: ProbedTenant, other: ProbedTenant): Promise<Sample[]> {
  const [wrong, disabled] = [await own.subjects(samples, PIN), await own.subjects(samples, PIN)];
  const [bare, foreign] = [await own.subjects(samples, undefined), await other.subjects(samples, PIN)];
  const unknownNames = (): string[] => Array.from({ length: samples }, () => `s-${randomUUID()}`);
  const [unknown, spent, locked, ghosts] = [
    unknownNames(),
    await own.subjects(samples, PIN),
    await own.subjects(samples, PIN),
    unknownNames(),
  ];
  const overLong = unknownNames().map((name) => name.repeat(6));
  const times = async (references: readonly string[], count: number): Promise<void> =>
    each(references, async (reference) => {
      for (let n = 0; n < count; n++) await own.wide(reference, WRONG);
    });
  await times(disabled, CAP);
  const usual = async (references: readonly string[], count: number): Promise<void> =>
    each(references, async (reference) => {
      for (let n = 0; n < count; n++) await own.probers.rest(reference, WRONG);
    });
  await usual(spent, 2);
  await usual(locked, 3);
  await usual(ghosts, 3);
  const sample = (name: string, group: Sample['group'], references: readonly string[], pin = WRONG): Sample => ({
    name,
    group,
    run: (prober, at, connection) => prober(references[at] ?? '', pin, connection.agent),
  });
  return [
    sample('wrong', 'first attempt', wrong),
    sample('unknown', 'first attempt', unknown),
    sample('not enrolled', 'first attempt', bare),
    sample("another tenant's", 'first attempt', foreign, PIN),
    // Not a subject id: the REST adapter refuses it itself, in the same words for every such id.
    sample('over-long', 'first attempt', overLong),
    sample('window used up', 'after the window is used up', spent),
    sample('locked, right PIN', 'after the window is used up', locked, PIN),
    sample('disabled, right PIN', 'after the window is used up', disabled, PIN),
    sample('unknown, locked', 'after the window is used up', ghosts),
  ];
}

function report(
  channel: string,
  all: readonly Sample[],
  seen: ReadonlyMap<string, TimedAnswer[]>,
  hashMs: number,
): void {
  const lines = ['', `${channel}: ${samples} attempts of each class, a hash takes ${hashMs.toFixed(1)} ms`];
  for (const group of GROUPS) {
    const of = all.filter((one) => one.group === group && !(channel === 'rest' && one.name === 'over-long'));
    const times = of.map(({ name }) => (seen.get(name) ?? []).map(({ ms }) => ms));
    const medians = times.map(median);
    const answers = new Set(of.flatMap(({ name }) => (seen.get(name) ?? []).map(({ bytes }) => bytes)));
    const distance = distanceOf(Array.from({ length: samples }, (_, at) => times.map((ofClass) => ofClass[at] ?? NaN)));
    const [apart, byChance] = [distance.measured / hashMs, distance.byChance / hashMs];
    const verdict = apart <= TOLERATED ? 'ok' : apart > byChance ? 'TOO FAR' : 'not above chance: take more samples';
    if (answers.size !== 1) different = true;
    lines.push(...of.map(({ name }, at) => row(`  ${group}: ${name}, median ms`, (medians[at] ?? NaN).toFixed(2))));
    lines.push(row('  different answers', String(answers.size)));
    lines.push(
      row(`  distance of the medians, share of a hash (at most ${TOLERATED})`, `${apart.toFixed(3)} ${verdict}`),
      row('  distance that chance alone exceeds in one of a hundred runs', byChance.toFixed(3)),
    );
    if (answers.size !== 1) lines.push(...[...answers].map((answer) => JSON.stringify(answer)));
    figures.push({
      channel,
      group,
      hashMs,
      apart,
      byChance,
      different: answers.size,
      medians: Object.fromEntries(of.map(({ name }, at) => [name, medians[at]])),
    });
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}
