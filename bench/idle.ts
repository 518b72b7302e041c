import { options } from './options.js';
import { processorMs } from './processor-time.js';
import { keep, row, say } from './report.js';
import { BenchStand } from './stand.js';

/** What the services cost that have nothing to do: processor time as a share of one core. */
const given = options({ seconds: '30' });
const seconds = Number(given.seconds);
const shares: Record<string, number> = {};
await BenchStand.with(async (stand) => {
  const { pids } = await stand.install('separate', { subjects: 1 });
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  say(`letting them be for ${seconds} s`);
  // What the start and the enrolment have left behind is no idleness.
  await pause(10_000);
  const before = new Map(Object.entries(pids).map(([app, pid]) => [app, processorMs(pid) ?? NaN]));
  await pause(seconds * 1000);
  for (const [app, pid] of Object.entries(pids)) {
    shares[app] = ((processorMs(pid) ?? NaN) - (before.get(app) ?? NaN)) / (seconds * 1000);
  }
});
process.stdout.write(
  `\nprocessor time of an idle service, share of one core\n${Object.entries(shares)
    .map(([app, share]) => row(`  ${app}`, `${(share * 100).toFixed(2)} %`))
    .join('\n')}\n`,
);
keep('idle', { at: new Date().toISOString(), seconds, shares });
