import { SERVICES, type ServiceName } from '../product.js';
import { forEach, times, type Fault } from './fault.js';
import { dieAt, findKills, type Kill } from './kills.js';
import { type Cell } from './measure.js';

const NOTED_EVERY = 10;
/** How many copies die at a time. Each spends most of its time on its start and on joining its group. */
const AT_A_TIME = 3;

/** Points at which a record and its effect could become inconsistent. All die at the same time. */
const CHOSEN: readonly Kill[] = [
  { service: 'verification', point: 'sql verification.decide', when: 'after', hit: 1 },
  { service: 'rate-limit', point: 'publish verification.admissions', when: 'after', hit: 2 },
  { service: 'audit', point: 'sql audit.log.grow', when: 'after', hit: 1 },
];

export const KILLED_AT_CHOSEN_POINTS: Fault = {
  name: 'SIGKILL at some points',
  short: true,
  full: false,
  run: (cell, { runs }) => times(runs, () => dieAtOnce(cell, CHOSEN)).then((done) => done * CHOSEN.length),
};

export const KILLED_AT_EVERY_POINT: readonly Fault[] = SERVICES.map((service: ServiceName) => ({
  name: `SIGKILL of ${service} at every point`,
  short: false,
  run: async (cell, { runs }) => {
    const kills = await findKills(cell, service);
    const done = await times(runs, () => dieOneAfterTheOther(cell, kills));
    return done * kills.length;
  },
}));

/** A point that is not reached has another name now. */
async function dieAtOnce(cell: Cell, kills: readonly Kill[]): Promise<void> {
  await forEach(kills, kills.length, async (kill) => {
    if (!(await dieAt(cell.rig, kill))) throw new Error(`${kill.service} did not reach ${kill.point}`);
  });
}

async function dieOneAfterTheOther(cell: Cell, kills: readonly Kill[]): Promise<void> {
  let begun = 0;
  await forEach(kills, AT_A_TIME, async (kill) => {
    if (++begun % NOTED_EVERY === 0) cell.note(`death ${begun} of ${kills.length}`);
    const { service, point, when, hit } = kill;
    if (!(await dieAt(cell.rig, kill))) cell.note(`not reached: ${service} ${when} ${point}, hit ${hit}`);
  });
}
