import { type CheckResult } from './report.js';

/** Another clock minus the clock of this machine, and the largest error of this number, in milliseconds. */
export interface ClockOffset {
  readonly offsetMs: number;
  readonly errorMs: number;
}

/** Offsets of more than this, in milliseconds. Receipts last 300 s at most. */
const WARNING_MS = 2_000;
const FAILED_MS = 30_000;

/** @param offsets undefined: the clock could not be compared */
export function checkClocks(offsets: Readonly<Record<string, ClockOffset | undefined>>): CheckResult {
  const known = Object.entries(offsets).filter((one): one is [string, ClockOffset] => one[1] !== undefined);
  const problems = known.flatMap(([server, { offsetMs, errorMs }]): CheckResult['problems'][number][] => {
    const certainMs = Math.abs(offsetMs) - errorMs;
    if (certainMs <= WARNING_MS) return [];
    const seconds = (Math.abs(offsetMs) / 1000).toFixed(1);
    return [
      {
        status: certainMs > FAILED_MS ? 'failed' : 'warning',
        text: `the clock of ${server} is ${seconds} s ${offsetMs > 0 ? 'ahead of' : 'behind'} the clock of this machine`,
        cure: 'synchronize both machines with NTP, for example: timedatectl set-ntp true',
      },
    ];
  });
  const compared = known.map(([server, { offsetMs }]) => `${server} ${Math.round(offsetMs)} ms`);
  const without = Object.keys(offsets).filter((server) => offsets[server] === undefined);
  const rest = without.length > 0 ? `; not compared: ${without.join(', ')}` : '';
  return { ok: `offset of ${compared.join(', ')}${rest}`, problems };
}
