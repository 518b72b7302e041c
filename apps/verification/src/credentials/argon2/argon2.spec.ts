import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import oracle from 'argon2';
import fc from 'fast-check';
import { eventually } from '@countersign/testing';
import { type HashCost } from '../hash-bounds.decision.js';
import { type Argon2 } from './argon2.ports.js';
import { NativeArgon2 } from './native-argon2.js';
import { NodeRsArgon2 } from './node-rs-argon2.js';

const CHEAP = { memoryKib: 64, passes: 1, lanes: 1 };
const COST = { memoryKib: 19_456, passes: 2, lanes: 1 };
/** Groups of hashes that are compared with another implementation. A long run: ARGON2_RUNS=5000 npm test -- --testPathPatterns argon2.spec */
const RUNS = Number(process.env['ARGON2_RUNS'] ?? 40);
/** Repeats a run that has failed; its message contains the seed. */
const SEED = process.env['ARGON2_SEED'];
const SECRETS = ['83729164', '', 'ä €𝄞', 'x'.repeat(4096)];

jest.setTimeout(20_000 + RUNS * 200);

const native = NativeArgon2.open(2, COST);
if (!native) process.stderr.write('native/argon2 was not built here: its tests do not run\n');
else if (process.platform !== 'linux')
  process.stderr.write('tests of native/argon2 read /proc: they run on Linux only\n');
else if (native.instructions !== 'avx2')
  process.stderr.write(`own code of native/argon2 needs AVX2, here is ${native.instructions}: its tests do not run\n`);
const libraries: readonly Argon2[] = [new NodeRsArgon2(), ...(native ? [native] : [])];

afterAll(() => libraries.forEach((library) => library.close()));

describe.each(libraries)('argon2 by $library', (library) => {
  it('makes hashes that an independent implementation verifies', async () => {
    for (const secret of SECRETS) {
      const phc = await library.hash(secret, CHEAP);
      expect(await oracle.verify(phc, secret)).toBe(true);
      expect(await oracle.verify(phc, `${secret}1`)).toBe(false);
    }
  });

  it.each([
    { memoryKib: 8, passes: 1, lanes: 1, hashLength: 16, secrets: SECRETS },
    { memoryKib: 256, passes: 3, lanes: 4, hashLength: 64, secrets: SECRETS },
    // More than a thread keeps.
    { memoryKib: 32_768, passes: 1, lanes: 1, hashLength: 32, secrets: SECRETS.slice(0, 1) },
  ])('verifies hashes that an independent implementation made: $memoryKib KiB', async ({ secrets, ...cost }) => {
    for (const secret of secrets) {
      const phc = await oracle.hash(secret, {
        ...{ memoryCost: cost.memoryKib, timeCost: cost.passes, parallelism: cost.lanes },
        ...{ type: oracle.argon2id, hashLength: cost.hashLength },
      });
      expect(await library.verify(phc, secret)).toBe(true);
      expect(await library.verify(phc, `${secret}1`)).toBe(false);
    }
  });

  it('makes the tags of an independent implementation at every size of the memory', async () => {
    // Up to a slice of 300 blocks, so addresses that do not depend on data need several blocks.
    const sizes = [1200, 8, 9, 11, 12, 15, 16, 63, 65, 508, 512, 516, 1027, 8];
    for (const [n, memoryKib] of sizes.entries()) {
      for (const passes of [1, 2, 3, 4]) {
        const phc = await library.hash(`secret ${n}`, { memoryKib, passes, lanes: 1 });
        expect([memoryKib, passes, await oracle.verify(phc, `secret ${n}`)]).toEqual([memoryKib, passes, true]);
      }
    }
  });

  it('makes another salt for each hash', async () => {
    expect(await library.hash('83729164', CHEAP)).not.toBe(await library.hash('83729164', CHEAP));
  });

  it('answers each of many hashes at once with its own result, at different costs', async () => {
    const secrets = Array.from({ length: 40 }, (_, n) => String(10_000_000 + n));
    const costs = [CHEAP, { ...CHEAP, memoryKib: 512 }, { ...CHEAP, lanes: 2 }];
    const hashes = await Promise.all(secrets.map((secret, n) => library.hash(secret, costs[n % 3] ?? CHEAP)));
    const right = await Promise.all(hashes.map((phc, n) => library.verify(phc, secrets[n] ?? '')));
    const wrong = await Promise.all(hashes.map((phc, n) => library.verify(phc, secrets[n + 1] ?? '')));
    expect(right).toEqual(secrets.map(() => true));
    expect(wrong).toEqual(secrets.map(() => false));
  });

  it.each(['', 'AAAA', 'AAAAAAAAAA'])('refuses a salt of less than 8 bytes: "%s"', async (salt) => {
    const tag = Buffer.alloc(32, 1).toString('base64').replace(/=+$/, '');
    await expect(library.verify(`$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}`, '83729164')).rejects.toThrow();
  });

  it('refuses a string that is no argon2id hash', async () => {
    await expect(library.verify('$argon2id$v=19$m=64', '83729164')).rejects.toThrow();
  });
});

/** A hash within the bounds of stored hashes. Half of them are small: the edges of slices are there. */
const randomHash = fc
  .record({
    lanes: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 4 })),
    memoryKib: fc.oneof(fc.integer({ min: 8, max: 64 }), fc.integer({ min: 65, max: 2_500 })),
    passes: fc.integer({ min: 1, max: 4 }),
    salt: fc.uint8Array({ minLength: 8, maxLength: 64 }),
    hashLength: fc.integer({ min: 16, max: 64 }),
    // A half of a surrogate pair becomes U+FFFD.
    secret: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
    ),
  })
  .map((hash) => ({ ...hash, memoryKib: Math.max(hash.memoryKib, 8 * hash.lanes) }));

const whereBuilt = native && process.platform === 'linux' ? describe : describe.skip;
const threadIds = (): readonly string[] => readdirSync('/proc/self/task');
/** Empty for a thread that has ended since it was listed. */
const statusOf = (thread: string): string => {
  try {
    return readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
};
/** A number of proc_pid_stat(5), counted from the state of the thread, for each thread of native/argon2 in this process. */
const numbersOfThreads = (at: number): readonly number[] =>
  threadIds()
    .map(statusOf)
    .filter((status) => status.includes('(argon2)'))
    .map((status) => Number(status.split(') ')[1]?.split(' ')[at]));
/** 0 is the usual priority, 19 the lowest. */
const niceness = (): readonly number[] => numbersOfThreads(16);
/** Pages that were mapped when they were first used. */
const pageFaults = (): number => numbersOfThreads(7).reduce((sum, faults) => sum + faults, 0);

/** The contents of memory that a process can write, of the areas (entries of smaps, proc(5)) that are selected. */
function writableMemory(pid: number | 'self', selected: (area: string) => boolean = () => true): readonly Buffer[] {
  const areas = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const contents = areas
    .filter((area) => /^\S+ rw/.test(area) && selected(area))
    .map((area) => {
      const [from, to] = area.split(/[- ]/).map((address) => Number.parseInt(address, 16)) as [number, number];
      const bytes = Buffer.alloc(to - from);
      let read = 0;
      try {
        while (read < bytes.length) read += readSync(memory, bytes, read, bytes.length - read, from + read);
      } catch (error) {
        // Unmapped since it was listed, for example by a thread that has ended.
        if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
      }
      return bytes.subarray(0, read);
    });
  closeSync(memory);
  return contents;
}
/** Memory that hashes keep: no core dump contains it (`dd`), as nothing else here that can be written. */
const keptMemory = (): Buffer => Buffer.concat(writableMemory('self', (area) => /^VmFlags:.* dd\b/m.test(area)));
const isZero = (bytes: Buffer): boolean => bytes.equals(Buffer.alloc(bytes.length));

/** What a child process does with the module, which is `threads` of its script. It ends at the end of its work. */
function inAnotherProcess(script: string, ...args: readonly string[]): ReturnType<typeof spawn> {
  const module = fileURLToPath(new URL('../../../../../native/argon2/argon2.node', import.meta.url));
  const start = `const threads = new (require(${JSON.stringify(module)}).HashThreads)(1, 2048, 1, 0);`;
  const child = spawn(process.execPath, ['-e', `${start}\n${script}`, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.push(child);
  return child;
}
const children: ReturnType<typeof spawn>[] = [];
afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

/** H0 of RFC 9106, section 3.2: with it, a secret can be guessed at the cost of BLAKE2b. */
function firstHash(secret: string, salt: Buffer, { memoryKib, passes, lanes }: HashCost, tagBytes: number): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const hash = createHash('blake2b512');
  for (const value of [lanes, tagBytes, memoryKib, passes, 0x13, 2]) hash.update(number(value));
  for (const part of [Buffer.from(secret), salt, Buffer.alloc(0), Buffer.alloc(0)]) {
    hash.update(number(part.length)).update(part);
  }
  return hash.digest();
}

whereBuilt('native/argon2', () => {
  it(`makes the tags of an independent implementation for random parameters, in ${RUNS} groups of hashes`, async () => {
    // Two threads for up to five hashes, so most use memory that another has used. Some hashes need more than is kept.
    const threads = NativeArgon2.open(2, { memoryKib: 2048, lanes: 1 });
    if (!threads) throw new Error('the module was there before');
    await fc.assert(
      fc.asyncProperty(fc.array(randomHash, { minLength: 1, maxLength: 5 }), async (hashes) => {
        const expected = await Promise.all(
          hashes.map(({ secret, salt, memoryKib, passes, lanes, hashLength }) =>
            oracle.hash(secret, {
              ...{ memoryCost: memoryKib, timeCost: passes, parallelism: lanes, hashLength },
              ...{ salt: Buffer.from(salt), type: oracle.argon2id },
            }),
          ),
        );
        const verified = await Promise.all(expected.map((phc, n) => threads.verify(phc, hashes[n]?.secret ?? '')));
        expect(verified).toEqual(hashes.map(() => true));
      }),
      // A failure prints the seed and the smallest group that fails.
      { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
    );
    threads.close();
  });

  it('leaves nothing in the process from which a secret can be guessed at the cost of a fast hash', async () => {
    const secret = '83729164';
    const salt = Buffer.alloc(16, 7);
    const costs = [
      { memoryKib: 1024, passes: 2, lanes: 1 },
      { memoryKib: 1024, passes: 1, lanes: 2 },
      { memoryKib: 4096, passes: 1, lanes: 1 },
    ];
    // The child computes no H0 but in the module.
    const child = inAnotherProcess(
      `const [, secret, costs] = process.argv;
      (async () => {
        for (const { memoryKib, passes, lanes } of JSON.parse(costs))
          await threads.derive(secret, Buffer.alloc(16, 7), memoryKib, passes, lanes, 32);
        process.send('hashed');
        process.once('message', () => process.exit());
      })();`,
      secret,
      JSON.stringify(costs),
    );
    await once(child, 'message');
    const memory = writableMemory(child.pid ?? 0);
    // Shows that the search reads what it should.
    expect(memory.some((area) => area.includes(secret))).toBe(true);
    for (const cost of costs) {
      const hash = firstHash(secret, salt, cost, 32);
      // Copies on a stack may be overwritten in parts.
      for (let at = 0; at < hash.length; at += 16) {
        expect([cost, at, memory.some((area) => area.includes(hash.subarray(at, at + 16)))]).toEqual([cost, at, false]);
      }
    }
  });

  it('does not keep the process from ending after a hash that was requested too late', async () => {
    const child = inAnotherProcess(
      `process.disconnect();
      threads.close();
      threads.derive('83729164', Buffer.alloc(16), 64, 1, 1, 32).then(() => process.exit(1), () => undefined);`,
    );
    await eventually('the end of the process', () => child.exitCode !== null);
    expect(child.exitCode).toBe(0);
  });

  it('does not open without a thread, since hashes would wait forever', () => {
    expect(() => NativeArgon2.open(0, CHEAP)).toThrow('at least one thread');
  });

  it('ends its threads when it is closed, after the hashes that were requested', async () => {
    const before = niceness().length;
    const opened = NativeArgon2.open(3, CHEAP);
    if (!opened) throw new Error('the module was there before');
    await eventually(
      'three threads of a lower priority',
      () => niceness().filter((n) => n >= 10).length === before + 3,
    );
    const hashes = Promise.all(SECRETS.map((secret) => opened.hash(secret, CHEAP)));
    opened.close();
    expect(await hashes).toHaveLength(SECRETS.length);
    await eventually('the end of the threads', () => niceness().length === before);
    await expect(opened.hash('83729164', CHEAP)).rejects.toThrow('closed');
  });

  const withOwnCode = native?.instructions === 'avx2' ? it : it.skip;
  withOwnCode('leaves nothing of a hash in its memory once no other waits', async () => {
    // Little memory, because the test copies all of it again and again, in which many passes take as long as a usual hash.
    const cost = { memoryKib: 2048, passes: 20, lanes: 1 };
    const only = NativeArgon2.open(1, cost);
    if (!only) throw new Error('the module was there before');
    // Until one was seen: on a busy machine all of them may end before the first look.
    let isSeen = false;
    const hashAll = async (): Promise<void> => {
      while (!isSeen) await Promise.all(Array.from({ length: 30 }, () => only.hash('83729164', cost)));
    };
    const hashes = hashAll();
    await eventually('a hash in the memory', () => !isZero(keptMemory())).finally(() => (isSeen = true));
    await hashes;
    await eventually('memory without a hash', () => isZero(keptMemory()));
    only.close();
  });

  withOwnCode('leaves nothing of a larger hash after a smaller one that waited', async () => {
    const only = NativeArgon2.open(1, { memoryKib: 2048, lanes: 1 });
    if (!only) throw new Error('the module was there before');
    const [large, small] = [2048, 8].map((memoryKib) => ({ memoryKib, passes: 20, lanes: 1 })) as [HashCost, HashCost];
    await Promise.all([only.hash('83729164', large), only.hash('83729164', small)]);
    await eventually('memory without a hash', () => isZero(keptMemory()));
    only.close();
  });

  withOwnCode('leaves nothing of a hash while another uses other memory', async () => {
    const only = NativeArgon2.open(1, { memoryKib: 2048, lanes: 1 });
    if (!only) throw new Error('the module was there before');
    const first = only.hash('83729164', { memoryKib: 2048, passes: 20, lanes: 1 });
    let ended = false;
    // Long enough to look at the memory meanwhile.
    const second = only.hash('83729164', { memoryKib: 19_456, passes: 75, lanes: 2 }).then(() => (ended = true));
    await first;
    await eventually('memory without a hash', () => isZero(keptMemory()));
    expect(ended).toBe(false);
    await second;
    only.close();
  });

  it.each([1, 2])('maps no memory for a hash with the configured lanes, %d', async (lanes) => {
    const cost = { ...COST, lanes };
    const only = NativeArgon2.open(1, cost);
    if (!only) throw new Error('the module was there before');
    await only.hash('83729164', cost);
    const before = pageFaults();
    for (let n = 0; n < 5; n++) await only.hash('83729164', cost);
    // @node-rs/argon2 has 265 for each hash.
    expect((pageFaults() - before) / 5).toBeLessThan(20);
    only.close();
  });
});
