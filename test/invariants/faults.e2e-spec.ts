import { afterAll, describe, expect, it } from '@jest/globals';
import { appendFileSync } from 'node:fs';
import { type Fault } from './fault.js';
import * as deaths from './faults-of-death.js';
import * as processes from './faults-of-processes.js';
import * as records from './faults-of-records.js';
import * as servers from './faults-of-servers.js';
import { measure, type Row } from './measure.js';
import { FaultRig } from './rig.js';

/** Set by `npm run test:invariants`. Default: the short form. */
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

/** Reports progress to `tools/test-invariants.mjs`. */
function report(line: { begin: string } | { note: string } | { row: Row }): void {
  if (INVARIANTS_REPORT !== undefined) appendFileSync(INVARIANTS_REPORT, `${JSON.stringify(line)}\n`);
}

describe.each([1, 3] as const)('the product under load, on a cluster of %d', (brokers) => {
  const faults = CHOSEN.filter((fault) => (fault.brokers ?? 1) === brokers);
  let rig: FaultRig | undefined;

  afterAll(() => rig?.close(), START_AND_STOP_MS);

  if (faults.length === 0) it('has no fault in this form of the matrix', () => expect(faults).toEqual([]));
  for (const fault of faults) {
    it(
      `keeps its promises during the fault: ${fault.name}`,
      async () => {
        report({ begin: fault.name });
        rig ??= await FaultRig.start({ brokers });
        const extent = { full: FULL, runs: RUNS };
        const note = (line: string): void => report({ note: line });
        const row = await measure(rig, fault.name, (cell) => fault.run(cell, extent), note, FULL);
        report({ row });
        if (row.violations.length > 0) {
          // A new rig, so that the next fault does not report the same violations.
          await rig.close();
          rig = undefined;
        }
        const found = row.violations.map(({ promise, evidence }) => `${promise}: ${evidence}`);
        expect(found.slice(0, SHOWN)).toEqual([]);
        expect(row.attempts).toBeGreaterThan(0);
      },
      LIMIT_MS,
    );
  }
});
