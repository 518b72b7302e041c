import { eventually } from '@countersign/testing';
import { SERVICES, SHORT_SESSION_MS, type Copy, type ServiceName } from '../product.js';
import { forEach, lasting, times, type Fault } from './fault.js';
import { measure, verifiedSince, type Cell } from './measure.js';

const IN_GROUPS: readonly ServiceName[] = ['directory', 'verification', 'rate-limit', 'audit'];
const DAY_MS = 86_400_000;
/** How many callers must be verified while a fault lasts, so that the changed copy has handled some. */
const VERIFIED_DURING_FAULT = 30;
const VERIFIED_LIMIT_MS = 60_000;
/** In the short form: a replacement waits for its start, its group and its stop more than it computes. */
const REPLACED_AT_A_TIME = 2;
const SHIFTED_CLOCK = new URL('clock-shift.mjs', import.meta.url).href;

export const STOPPED: Fault = {
  name: 'SIGSTOP beyond the session, then SIGCONT',
  short: true,
  run: async (cell, { full, runs }) => {
    const services = full ? IN_GROUPS : (['verification'] as const);
    const done = await times(runs, async () => {
      for (const service of services) await stopAndGoOn(cell, service);
    });
    return done * services.length;
  },
};

/** For some time the continued process still assumes that it owns partitions that another copy has been assigned. */
async function stopAndGoOn(cell: Cell, service: ServiceName): Promise<void> {
  const { product } = cell.rig;
  const stopped = theCopy(cell, service);
  const other = await product.addCopy(service);
  const from = Date.now();
  process.kill(stopped.program.pid, 'SIGSTOP');
  await lasting(SHORT_SESSION_MS + 3_000);
  process.kill(stopped.program.pid, 'SIGCONT');
  cell.stopped(stopped, from, Date.now());
  await untilVerified(cell);
  await stopCleanly(cell, other);
}

export const CLOCK_OFF: Fault = {
  name: 'clock of one process off by a day',
  short: false,
  run: async (cell, { runs }) => {
    const done = await times(runs, async () => {
      for (const service of SERVICES) {
        for (const shift of [DAY_MS, -DAY_MS]) await shifted(cell, service, shift);
      }
    });
    return done * SERVICES.length * 2;
  },
};

async function shifted(cell: Cell, service: ServiceName, shift: number): Promise<void> {
  const before = cell.load.requests.length;
  const env = { NODE_OPTIONS: `--import ${SHIFTED_CLOCK}`, CLOCK_SHIFT_MS: String(shift) };
  const copy = await cell.rig.product.addCopy(service, env);
  await untilVerified(cell).catch((error: unknown) => cell.note((error as Error).message));
  const requests = cell.load.requests.slice(before);
  const unavailable = requests.filter(({ outcome }) => outcome === 'unavailable').length;
  cell.note(`${service} ${shift > 0 ? 'ahead' : 'behind'}: ${unavailable} of ${requests.length} unavailable`);
  await stopCleanly(cell, copy);
}

export const STARTED_TOGETHER: Fault = {
  name: 'two copies started at the same moment',
  short: false,
  run: ({ rig, ...cell }, { runs }) =>
    times(runs, async () => {
      const cold = await rig.beside({ copies: 2 });
      try {
        const { violations, attempts, unavailable } = await measure(cold, 'cold start', () => Promise.resolve(1));
        cell.note(`${attempts} attempts right after the start, ${unavailable} unavailable`);
        if (violations.length > 0) throw new Error(JSON.stringify(violations.slice(0, 5)));
      } finally {
        await cold.closeProduct();
      }
    }),
};

export const SCALED: Fault = {
  name: 'scale 1 → 3 → 1',
  short: false,
  run: async (cell, { runs }) => {
    const done = await times(runs, async () => {
      for (const service of SERVICES) {
        const more = [cell.rig.product.addCopy(service), cell.rig.product.addCopy(service)];
        const copies = await Promise.all(more);
        await untilVerified(cell);
        for (const copy of copies) await stopCleanly(cell, copy);
      }
    });
    return done * SERVICES.length;
  },
};

export const ROLLED: Fault = {
  name: 'rolling restart',
  short: true,
  run: async (cell, { full, runs }) => {
    const done = await times(runs, () =>
      forEach(SERVICES, full ? 1 : REPLACED_AT_A_TIME, async (service) => {
        const before = cell.load.requests.length;
        const old = theCopy(cell, service);
        await cell.rig.product.addCopy(service);
        await stopCleanly(cell, old);
        await untilVerified(cell);
        const requests = cell.load.requests.slice(before);
        const longest = Math.max(...requests.map(({ begunAt, answeredAt }) => answeredAt - begunAt));
        const unavailable = requests.filter(({ outcome }) => outcome === 'unavailable').length;
        cell.note(`${service}: ${unavailable} of ${requests.length} unavailable, longest answer ${longest} ms`);
        if (unavailable > 0) throw new Error(`${unavailable} callers got unavailable while ${service} was replaced`);
      }),
    );
    return done * SERVICES.length;
  },
};

/** Stops a copy with SIGTERM. @throws Error when it does not end with code 0 */
async function stopCleanly(cell: Cell, copy: Copy): Promise<void> {
  const { program, code, signal } = await cell.rig.product.stopCopy(copy);
  if (code !== 0)
    throw new Error(`${program} ended with ${signal ?? code} after SIGTERM:\n${copy.program.output.slice(-2000)}`);
}

async function untilVerified({ load }: Cell): Promise<void> {
  const from = Date.now();
  const enough = (): boolean => verifiedSince(load.requests, from) >= VERIFIED_DURING_FAULT;
  await eventually(`${VERIFIED_DURING_FAULT} callers are verified`, enough, VERIFIED_LIMIT_MS);
}

function theCopy({ rig }: Cell, service: ServiceName): Copy {
  const [copy] = rig.product.running(service);
  if (copy === undefined) throw new Error(`No copy of ${service} runs`);
  return copy;
}
