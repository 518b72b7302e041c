import { afterAll, describe, expect, it } from '@jest/globals';
import { appendFileSync } from 'node:fs';
import { type Fault } from './fault.js';
import * as deaths from './faults-of-death.js';
import * as processes from './faults-of-processes.js';
import * as records from './faults-of-records.js';
import * as servers from './faults-of-servers.js';
import { measure, type Row } from './measure.js';
import { InvariantStand } from './stand.js';

/** What `npm run test:invariants` asks for. Without it: the short form. */
const { INVARIANTS_FORM = 'short', INVARIANTS_REPORT, INVARIANTS_FAULT = '', INVARIANTS_RUNS = '1' } = process.env;
const FULL = INVARIANTS_FORM === 'full';
const RUNS = Number(INVARIANTS_RUNS);
const LIMIT_MS = FULL ? 7_200_000 : 400_000;
const START_AND_STOP_MS = 240_000;
/** Of what may be thousands of the same. */
const SHOWN = 10;

const ALL: readonly Fault[] = [servers, records, processes, deaths].flatMap((kind) => Object.values(kind).flat());
const IN_FORM = ALL.filter(({ short, full = true }) => (FULL ? full : short));
const CHOSEN = IN_FORM.filter(({ name }) => name.includes(INVARIANTS_FAULT));

/** For whoever watches the run, see `tools/test-invariants.mjs`. */
function report(line: { begin: string } | { note: string } | { row: Row }): void {
  if (INVARIANTS_REPORT !== undefined) appendFileSync(INVARIANTS_REPORT, `${JSON.stringify(line)}\n`);
}

describe.each([1, 3] as const)('on a cluster of %d, the product under load', (brokers) => {
  const faults = CHOSEN.filter((fault) => (fault.brokers ?? 1) === brokers);
  let stand: InvariantStand | undefined;

  afterAll(() => stand?.close(), START_AND_STOP_MS);

  if (faults.length === 0) it('has no fault in this form of the matrix', () => expect(faults).toEqual([]));
  for (const fault of faults) {
    it(
      `keeps its promises: ${fault.name}`,
      async () => {
        report({ begin: fault.name });
        stand ??= await InvariantStand.start({ brokers });
        const extent = { full: FULL, runs: RUNS };
        const note = (line: string): void => report({ note: line });
        const row = await measure(stand, fault.name, (cell) => fault.run(cell, extent), note);
        report({ row });
        if (row.violations.length > 0) {
          // What is broken now must not be found again with the next fault.
          await stand.close();
          stand = undefined;
        }
        const found = row.violations.map(({ promise, evidence }) => `${promise}: ${evidence}`);
        expect(found.slice(0, SHOWN)).toEqual([]);
        expect(row.attempts).toBeGreaterThan(0);
      },
      LIMIT_MS,
    );
  }
});
