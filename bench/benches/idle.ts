import { processorMs } from '@countersign/testing';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';

/** Processor time of the services without work, as a share of one core. */
const given = options({ seconds: '30' });
const seconds = Number(given.seconds);
const shares: Record<string, number> = {};
await BenchRig.with(async (rig) => {
  const { pids } = await rig.install('separate', { subjects: 1 });
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  say(`waiting ${seconds} s`);
  // The start and the enrolment still cause work for a few seconds.
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
