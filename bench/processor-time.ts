import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc per second: 100 on every platform on which Node runs. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Milliseconds of processor time, user and system. */
  readonly ms: number;
}

/** Processor time of a process and all its descendants, in milliseconds; undefined on systems without /proc. */
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
    // The name of the program is in brackets and may contain any character.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Includes its ended children: PostgreSQL has one process for each connection.
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
