import { randomUUID } from 'node:crypto';
import { FactRecorded, message, type Limit } from '@countersign/contracts';
import { type LimitDecision, type LimitStore } from '../ports.js';

export interface LimitBed {
  readonly store: LimitStore;
  advance(seconds: number): Promise<void>;
  /** Ids of the refusals on record. */
  facts(): Promise<string[]>;
}

const TEN: Limit = { limit: 10, periodSeconds: 60 };

/** What every limit store promises; run on the twin and on PostgreSQL. */
export function limitStoreContract(open: () => Promise<LimitBed>): void {
  let bed: LimitBed;
  beforeAll(async () => {
    bed = await open();
  });

  const ask = (key: string, limit = TEN, commandId = randomUUID()): Promise<LimitDecision> =>
    bed.store.admit({
      key,
      commandId,
      limit,
      refusal: message(FactRecorded, {
        factId: randomUUID(),
        kind: 'limit.refused',
        time: new Date(0).toISOString(),
        tenant: 'acme',
        commandId,
      }),
    });

  it('admits exactly ten of two hundred requests that arrive at once', async () => {
    const key = randomUUID();
    const decisions = await Promise.all(Array.from({ length: 200 }, () => ask(key)));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(10);
  });

  it('records every refusal, and no admission', async () => {
    const before = (await bed.facts()).length;
    const key = randomUUID();
    for (let n = 0; n < 12; n++) await ask(key);
    expect((await bed.facts()).length).toBe(before + 2);
  });

  it('admits again when the first one has left the window, and says when', async () => {
    const key = randomUUID();
    for (let n = 0; n < 10; n++) await ask(key);
    await bed.advance(30);
    const refused = await ask(key);
    expect(refused.admitted).toBe(false);
    expect(refused.retryAfterSeconds).toBeGreaterThanOrEqual(29);
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(30);
    await bed.advance(31);
    expect((await ask(key)).admitted).toBe(true);
  });

  it('charges a repeated command once', async () => {
    const key = randomUUID();
    const one = { limit: 1, periodSeconds: 60 };
    const commandId = randomUUID();
    const decisions = [await ask(key, one, commandId), await ask(key, one, commandId), await ask(key, one)];
    expect(decisions.map(({ admitted }) => admitted)).toEqual([true, true, false]);
  });

  it('keeps callers apart', async () => {
    const key = randomUUID();
    for (let n = 0; n < 11; n++) await ask(key);
    expect((await ask(randomUUID())).admitted).toBe(true);
  });
}
