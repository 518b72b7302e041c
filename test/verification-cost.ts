import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processorUse } from '@countersign/testing';
import { newPhone } from './client.js';
import { requiredEnv, SERVICES, type SeparateProduct } from './product.js';
import { openWorld, PIN } from './e2e/world.js';

/** The cost of a verification as landed. Renew it with RENEW_VERIFICATION_COST=true, see docs/testing.md. */
const BASELINE = join(process.cwd(), 'test', 'verification-cost.json');
const LIFTED = { limit: 1_000_000, periodSeconds: 1 };
const LIMITS = ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'];
const IN_FLIGHT = 16;

/** The processor time of one verification. */
export interface VerificationCost {
  /** Milliseconds by process, without hashes. */
  readonly msByProcess: Readonly<Record<string, number>>;
  /** Of the yardstick, milliseconds of one unit in the same time. */
  readonly yardstickMs: number;
  /** The milliseconds of the services and of PostgreSQL, in units of the yardstick. */
  readonly units: number;
}

/** Verifies right PINs on a product of which nothing else is requested. */
export class VerificationLoad {
  private constructor(
    private readonly product: SeparateProduct,
    private readonly verify: (worker: number) => Promise<void>,
  ) {}

  /** Creates a tenant whose limits refuse nothing, with a subject for each request in flight. */
  static async open(product: SeparateProduct): Promise<VerificationLoad> {
    const world = await openWorld(product, { limits: Object.fromEntries(LIMITS.map((limit) => [limit, LIFTED])) });
    const subjects: string[] = [];
    // One after the other: the product has just been started, and its time-outs are short.
    while (subjects.length < IN_FLIGHT) subjects.push((await world.enrol()).subject);
    const callers = subjects.map(() => newPhone());
    const verify = async (worker: number): Promise<void> => {
      const call = { pin: PIN, customerId: subjects[worker] ?? '', caller: callers[worker] ?? '' };
      const { text } = await world.client.swaig(world.agent, call);
      // An attempt that a busy machine has not decided in time is made again. Its processor time counts.
      if (text.includes('right now')) return verify(worker);
      if (!text.includes('"verified":true')) throw new Error(`a right PIN was answered with ${text}`);
    };
    return new VerificationLoad(product, verify);
  }

  /** Makes `count` verifications. */
  async run(count: number): Promise<void> {
    let begun = 0;
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async (_, worker) => {
        while (begun++ < count) await this.verify(worker);
      }),
    );
  }

  /** Makes `count` verifications beside the yardstick. */
  async measure(count: number): Promise<VerificationCost> {
    const yardstick = spawn(process.execPath, [join(process.cwd(), 'build', 'test', 'yardstick.js')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let output = '';
    yardstick.stdout.on('data', (text: Buffer) => (output += text.toString()));
    await once(yardstick.stdout, 'data');
    const before = this.#processorMs();
    await this.run(count);
    const after = this.#processorMs();
    yardstick.stdin.end();
    await once(yardstick, 'close');
    const yardstickMs = Number(output.trim().split('\n').at(-1));
    const msByProcess = Object.fromEntries(
      Object.entries(after).map(([name, ms]) => [name, (ms - (before[name] ?? NaN)) / count]),
    );
    // The time of Kafka depends on how long its compiler has run before.
    const { kafka: _, ...counted } = msByProcess;
    const sum = Object.values(counted).reduce((total, ms) => total + ms, 0);
    return { msByProcess, yardstickMs, units: sum / yardstickMs };
  }

  /** Without the threads that hash. */
  #processorMs(): Record<string, number> {
    const servers = { postgres: requiredEnv('TEST_POSTGRES_PID'), kafka: requiredEnv('TEST_KAFKA_PID') };
    const services = SERVICES.map((name) => [name, this.product.running(name)[0]?.program.pid ?? NaN] as const);
    return Object.fromEntries(
      [...services, ...Object.entries(servers)].map(([name, pid]) => {
        const use = processorUse(Number(pid));
        return [name, (use?.ms ?? NaN) - (use?.hashThreadsMs ?? NaN)];
      }),
    );
  }
}

/** The cost as landed, in units of the yardstick. */
export const baselineUnits = (): number => (JSON.parse(readFileSync(BASELINE, 'utf8')) as { units: number }).units;

export function renewBaseline({ units }: VerificationCost): void {
  writeFileSync(BASELINE, `${JSON.stringify({ units: Number(units.toFixed(2)) }, undefined, 2)}\n`);
}

/** Lines for the output of the test run. */
export function costReport({ msByProcess, yardstickMs, units }: VerificationCost, baseline: number): string {
  const parts = Object.entries(msByProcess).map(([name, ms]) => `${name} ${ms.toFixed(2)}`);
  return [
    `processor ms of one verification without its hash: ${parts.join(', ')}`,
    `  all but kafka: ${units.toFixed(2)} units of the yardstick, which take ${yardstickMs.toFixed(2)} ms each; as landed: ${baseline.toFixed(2)}`,
    '',
  ].join('\n');
}
