import { lasting, times, type Fault } from './fault.js';

/** How long a server or the network stays away, in milliseconds. */
const AWAY_MS = 3_000;
const PAUSE_MS = 30_000;
const CUTS = 10;
const BETWEEN_CUTS_MS = 300;

/** The SQLSTATE of PostgreSQL when its disk is full, as a trigger on a table says it. */
const DISK_FULL = `CREATE FUNCTION public.disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'could not extend file: no space left on device' USING ERRCODE = '53100'; END $$`;
const TABLES = [
  'verification.attempts',
  'verification.outbox',
  'audit.entries',
  'rate_limit.counters',
  'directory.outbox',
];

export const BROKER_KILLED: Fault = {
  name: 'broker killed and restarted',
  short: true,
  run: (cell, { runs }) =>
    times(runs, async () => {
      await cell.rig.servers.kafka.kill(0);
      const killed = Date.now();
      await cell.rig.servers.kafka.restart(0);
      cell.note(`the broker was away for ${Date.now() - killed} ms`);
    }),
};

export const BROKER_PAUSED: Fault = {
  name: 'broker paused',
  short: false,
  run: (cell, { runs }) =>
    times(runs, async () => {
      const pid = cell.rig.servers.kafka.processes[0]?.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      try {
        await lasting(PAUSE_MS);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    }),
};

export const ONE_OF_THREE_KILLED: Fault = {
  name: 'one of three brokers killed',
  short: false,
  brokers: 3,
  run: (cell, { runs }) =>
    times(runs, async (run) => {
      await cell.rig.servers.kafka.kill(run % 3);
      await lasting(2 * AWAY_MS);
      await cell.rig.servers.kafka.restart(run % 3);
      await lasting(AWAY_MS);
    }),
};

export const BROKER_CUT: Fault = {
  name: 'connections to the broker cut',
  short: false,
  run: (cell, { runs }) =>
    times(runs, async () => {
      for (let cut = 0; cut < CUTS; cut++) {
        for (const proxy of cell.rig.servers.toKafka) proxy.cut();
        await lasting(BETWEEN_CUTS_MS);
      }
    }),
};

export const BROKER_UNREACHABLE: Fault = {
  name: 'broker out of reach',
  short: false,
  run: (cell, { runs }) =>
    times(runs, async () => {
      for (const proxy of cell.rig.servers.toKafka) proxy.refuse(true);
      for (const proxy of cell.rig.servers.toKafka) proxy.cut();
      await lasting(AWAY_MS);
      for (const proxy of cell.rig.servers.toKafka) proxy.refuse(false);
    }),
};

export const POSTGRES_KILLED: Fault = {
  name: 'PostgreSQL killed and restarted',
  short: true,
  run: (cell, { runs }) =>
    times(runs, async () => {
      await cell.rig.servers.postgres.kill();
      await cell.rig.servers.postgres.restart();
    }),
};

export const POSTGRES_TERMINATED: Fault = {
  name: 'sessions of PostgreSQL terminated',
  short: false,
  run: ({ rig: { ledger } }, { runs }) =>
    times(runs, async () => {
      for (let cut = 0; cut < CUTS; cut++) {
        await ledger.administer(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'countersign %'`,
        );
        await lasting(BETWEEN_CUTS_MS);
      }
    }),
};

export const POSTGRES_CUT: Fault = {
  name: 'connections to PostgreSQL cut',
  short: false,
  run: (cell, { runs }) =>
    times(runs, async () => {
      for (let cut = 0; cut < CUTS; cut++) {
        cell.rig.servers.toPostgres.cut();
        await lasting(BETWEEN_CUTS_MS);
      }
    }),
};

export const POSTGRES_UNREACHABLE: Fault = {
  name: 'PostgreSQL out of reach',
  short: false,
  run: (cell, { runs }) =>
    times(runs, async () => {
      cell.rig.servers.toPostgres.refuse(true);
      cell.rig.servers.toPostgres.cut();
      await lasting(AWAY_MS);
      cell.rig.servers.toPostgres.refuse(false);
    }),
};

export const DISK_IS_FULL: Fault = {
  name: 'disk of PostgreSQL full',
  short: true,
  run: async ({ rig: { ledger } }, { full, runs }) => {
    await ledger.administer(DISK_FULL);
    const tables = full ? TABLES : TABLES.slice(0, 3);
    const done = await times(runs, async () => {
      for (const table of tables) {
        const trigger = `TRIGGER disk_is_full`;
        await ledger.administer(
          `CREATE ${trigger} BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION public.disk_is_full()`,
        );
        await lasting(AWAY_MS / 2);
        await ledger.administer(`DROP ${trigger} ON ${table}`);
      }
    });
    await ledger.administer('DROP FUNCTION public.disk_is_full()');
    return done * tables.length;
  },
};
