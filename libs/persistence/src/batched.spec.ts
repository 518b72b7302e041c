import { describe, expect, it } from '@jest/globals';
import { ServiceError } from '@countersign/runtime';
import fc from 'fast-check';
import { Batched } from './batched.js';

describe('Batched', () => {
  it('gives each call its own output, and puts no row twice and no more inputs than allowed in a statement', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 200 }), async (rows) => {
        const seen: number[][] = [];
        const batched = new Batched<{ at: number; row: number }, string>({
          rows: ({ row }) => [String(row)],
          size: 7,
          run: (inputs) => {
            seen.push(inputs.map(({ row }) => row));
            return Promise.resolve(inputs.map(({ at }) => `answer ${at}`));
          },
        });
        const answers = await Promise.all(rows.map((row, at) => batched.call({ at, row })));
        expect(answers).toEqual(rows.map((_, at) => `answer ${at}`));
        for (const batch of seen) {
          expect(new Set(batch).size).toBe(batch.length);
          expect(batch.length).toBeLessThanOrEqual(7);
        }
      }),
    );
  });

  it('puts the call of a quiet tenant in the next statement while 400 of another tenant wait', async () => {
    const batches: (readonly string[])[] = [];
    const batched = new Batched<string, string>({
      requesterOf: (tenant) => ({ tenant, agent: '', caller: '' }),
      size: 8,
      concurrency: 1,
      run: (inputs) => {
        batches.push(inputs);
        return Promise.resolve(inputs);
      },
    });
    await Promise.all([...Array<string>(400).fill('busy'), 'quiet'].map((tenant) => batched.call(tenant)));
    expect(batches[0]).toContain('quiet');
    expect(batches.flat()).toHaveLength(401);
  });

  it('combines the calls of one turn, and calls that arrive later, within the limit of statements in flight', async () => {
    const batches: number[] = [];
    const gates: (() => void)[] = [];
    const batched = new Batched<number, number>({
      concurrency: 1,
      run: async (inputs) => {
        batches.push(inputs.length);
        await new Promise<void>((resolve) => gates.push(resolve));
        return inputs;
      },
    });
    const first = [1, 2, 3].map((n) => batched.call(n));
    while (gates.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = [4, 5].map((n) => batched.call(n));
    gates[0]?.();
    expect(await Promise.all(first)).toEqual([1, 2, 3]);
    while (gates.length === 1) await new Promise((resolve) => setImmediate(resolve));
    gates[1]?.();
    expect(await Promise.all(second)).toEqual([4, 5]);
    expect(batches).toEqual([3, 2]);
  });

  it('keeps the order of calls that write to one row', async () => {
    const order: number[] = [];
    const batched = new Batched<number, void>({
      rows: () => ['the one row'],
      run: (inputs) => {
        order.push(...inputs);
        return Promise.resolve(inputs.map(() => undefined));
      },
      concurrency: 1,
    });
    await Promise.all([1, 2, 3, 4, 5].map((n) => batched.call(n)));
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  it('rejects only the input at fault', async () => {
    const batched = new Batched<number, number>({
      run: (inputs) => {
        if (inputs.includes(13)) return Promise.reject(new Error('a row is wrong'));
        return Promise.resolve(inputs);
      },
    });
    const results = await Promise.allSettled([1, 13, 2].map((n) => batched.call(n)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('rejects all calls without single retries when the database is unavailable', async () => {
    let statements = 0;
    const batched = new Batched<number, number>({
      run: () => {
        statements++;
        return Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'away', true));
      },
    });
    const results = await Promise.allSettled([1, 2, 3].map((n) => batched.call(n)));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(statements).toBe(1);
  });

  it('waits for more calls only while more are certain to come', async () => {
    let coming = true;
    const batches: (readonly number[])[] = [];
    const batched = new Batched<number, number>({
      run: (inputs) => {
        batches.push(inputs);
        return Promise.resolve(inputs);
      },
      expectsMore: () => coming,
      lingerMs: () => 60_000,
    });
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const first = batched.call(1);
    await turn();
    await turn();
    expect(batches).toEqual([]);
    coming = false;
    expect(await Promise.all([first, batched.call(2)])).toEqual([1, 2]);
    expect(batches).toEqual([[1, 2]]);
    expect(await batched.call(3)).toBe(3);
  });

  it('waits no longer than the linger, and not with a full batch', async () => {
    const batches: number[] = [];
    const options = {
      run: (inputs: readonly number[]) => {
        batches.push(inputs.length);
        return Promise.resolve(inputs);
      },
      moreToCome: () => true,
    };
    expect(await new Batched<number, number>({ ...options, lingerMs: () => 20 }).call(1)).toBe(1);
    const patient = new Batched<number, number>({ ...options, lingerMs: () => 60_000 });
    await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => patient.call(n)));
    const content = new Batched<number, number>({ ...options, lingerMs: () => 60_000, fullSize: 3 });
    await Promise.all([1, 2, 3].map((n) => content.call(n)));
    expect(batches).toEqual([1, 8, 3]);
  });

  it('waits no longer than the shortest linger of the calls', async () => {
    const batches: (readonly number[])[] = [];
    const batched = new Batched<number, number>({
      run: (inputs) => {
        batches.push(inputs);
        return Promise.resolve(inputs);
      },
      expectsMore: () => true,
      lingerMs: (input) => input,
    });
    await Promise.all([batched.call(60_000), batched.call(10)]);
    expect(batches).toEqual([[60_000, 10]]);
  });
});

describe('Batched with several tenants', () => {
  const of = (text: string) => ({ tenant: text.split(' ')[0] ?? '', agent: '', caller: '' });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** Statements that end only when the test releases them. */
  function open() {
    const statements: (readonly string[])[] = [];
    const gates: (() => void)[] = [];
    const batched = new Batched<string, string>({
      requesterOf: of,
      run: async (inputs) => {
        statements.push(inputs);
        await new Promise<void>((resolve) => gates.push(resolve));
        return inputs;
      },
    });
    return { batched, statements, gates };
  }

  it('keeps a statement free for a tenant without one while another tenant uses its share', async () => {
    const { batched, statements, gates } = open();
    const calls: Promise<string>[] = [];
    for (let n = 0; n < 5; n++) {
      calls.push(batched.call(`busy ${n}`));
      await turn();
      await turn();
    }
    expect(statements).toEqual([['busy 0'], ['busy 1']]);
    calls.push(batched.call('quiet'));
    await turn();
    expect(statements).toEqual([['busy 0'], ['busy 1'], ['quiet']]);
    while (statements.length < 4) {
      gates.shift()?.();
      await turn();
    }
    expect(statements[3]).toEqual(['busy 2', 'busy 3', 'busy 4']);
    while (gates.length > 0) {
      gates.shift()?.();
      await turn();
    }
    expect(await Promise.all(calls)).toEqual(['busy 0', 'busy 1', 'busy 2', 'busy 3', 'busy 4', 'quiet']);
  });

  it('puts at most eight inputs of a tenant in a statement with another tenant', async () => {
    const { batched, statements, gates } = open();
    const calls = Array.from({ length: 40 }, (_, n) => batched.call(`busy ${n}`));
    calls.push(batched.call('quiet'));
    await turn();
    expect([statements[0]?.length, statements[0]?.includes('quiet')]).toEqual([9, true]);
    await turn();
    expect(statements[1]?.length).toBe(32);
    for (const end of gates) end();
    await Promise.all(calls);
  });

  it('does not delay a tenant by the expected inputs of another tenant', async () => {
    const statements: (readonly string[])[] = [];
    const batched = new Batched<string, string>({
      requesterOf: of,
      run: (inputs) => {
        statements.push(inputs);
        return Promise.resolve(inputs);
      },
      expectsMore: (input) => of(input).tenant === 'busy',
      lingerMs: () => 60_000,
    });
    const busy = batched.call('busy');
    await turn();
    await turn();
    expect(statements).toEqual([]);
    await batched.call('quiet');
    await busy;
    expect(statements).toEqual([['busy', 'quiet']]);
  });
});
