import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc per second; the kernel's interface fixes it at 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Milliseconds of processor time, user and system. */
  readonly ms: number;
}

/** Processor time of a process and everything below it, in milliseconds; undefined where there is no /proc. */
export function processorMs(pid: number): number | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? readTimes(name) : undefined;
    if (times) all.set(Number(name), times);
  }
  let sum = 0;
  for (const [id, { ms }] of all) if (isBelow(id, pid, all)) sum += ms;
  return sum;
}

function readTimes(pid: string): ProcessTimes | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in brackets and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // With that of its children that have ended: PostgreSQL has a process for each connection, and they come and go.
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    return { parent: Number(fields[1]), ms: (ticks * 1000) / TICKS_PER_SECOND };
  } catch {
    return undefined;
  }
}

function isBelow(id: number, root: number, all: ReadonlyMap<number, ProcessTimes>): boolean {
  for (let at: number | undefined = id; at !== undefined && at > 0; at = all.get(at)?.parent)
    if (at === root) return true;
  return false;
}
