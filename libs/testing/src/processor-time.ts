import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc per second: 100 on every platform on which Node runs. */
const TICKS_PER_SECOND = 100;

/** What a process and all its descendants have used since their start. Times are milliseconds of processor time. */
export interface ProcessorUse {
  readonly ms: number;
  /** The part of `ms` inside the kernel. */
  readonly systemMs: number;
  /** Of the first thread of the process itself: in Node the event loop. */
  readonly mainThreadMs: number;
  /** Of threads with a lower priority than the first, and of those of `native/argon2`: hashes run there. */
  readonly hashThreadsMs: number;
  /** Of the other threads of the process itself: in Node they collect garbage and compile. */
  readonly otherThreadsMs: number;
  /** How often a thread has stopped to wait, and how often the system has taken the processor from one. */
  readonly waits: number;
  readonly preemptions: number;
}

/** Undefined on systems without /proc. */
export function processorUse(pid: number): ProcessorUse | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? statFields(`/proc/${name}`) : undefined;
    if (fields) parents.set(Number(name), Number(fields[1]));
  }
  const use = {
    ...{ ms: 0, systemMs: 0, mainThreadMs: 0, hashThreadsMs: 0, otherThreadsMs: 0 },
    ...{ waits: 0, preemptions: 0 },
  };
  for (const id of parents.keys()) {
    if (!isBelow(id, pid, parents)) continue;
    const fields = statFields(`/proc/${id}`);
    // Includes its ended children: PostgreSQL has one process for each connection.
    const [user = 0, system = 0] = fields ? [times(fields, [11, 13]), times(fields, [12, 14])] : [];
    use.ms += user + system;
    use.systemMs += system;
    for (const { isMain, isHashing, ms, waits, preemptions } of threads(id)) {
      use.waits += waits;
      use.preemptions += preemptions;
      if (id === pid) use[isMain ? 'mainThreadMs' : isHashing ? 'hashThreadsMs' : 'otherThreadsMs'] += ms;
    }
  }
  return use;
}

/** Processor time of a process and all its descendants, in milliseconds; undefined on systems without /proc. */
export const processorMs = (pid: number): number | undefined => processorUse(pid)?.ms;

/** What was used between two readings. */
export function usedBetween(before: ProcessorUse, after: ProcessorUse): ProcessorUse {
  const names = Object.keys(after) as (keyof ProcessorUse)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Record<
    keyof ProcessorUse,
    number
  >;
}

interface ThreadUse {
  readonly isMain: boolean;
  readonly isHashing: boolean;
  readonly ms: number;
  readonly waits: number;
  readonly preemptions: number;
}

function threads(pid: number): ThreadUse[] {
  const niceness = (fields: readonly string[] | undefined): number => Number(fields?.[16]);
  const first = niceness(statFields(`/proc/${pid}`));
  return entries(`/proc/${pid}/task`).flatMap((thread) => {
    const folder = `/proc/${pid}/task/${thread}`;
    const fields = statFields(folder);
    if (!fields) return [];
    const status = read(`${folder}/status`) ?? '';
    const count = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(status)?.[1] ?? 0);
    return {
      isMain: Number(thread) === pid,
      isHashing: niceness(fields) > first || read(`${folder}/comm`)?.trim() === 'argon2',
      ms: times(fields, [11, 12]),
      waits: count('voluntary_ctxt_switches'),
      preemptions: count('nonvoluntary_ctxt_switches'),
    };
  });
}

/** The fields after the name of the program, which is in brackets and may contain any character. */
function statFields(folder: string): string[] | undefined {
  const stat = read(`${folder}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const times = (fields: readonly string[], places: readonly number[]): number =>
  (places.reduce((sum, at) => sum + Number(fields[at]), 0) * 1000) / TICKS_PER_SECOND;

/** Undefined when the process has ended. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isBelow(id: number, root: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = id; at !== undefined && at > 0; at = parents.get(at)) if (at === root) return true;
  return false;
}
