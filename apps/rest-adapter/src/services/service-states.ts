import { serviceStatesOf } from './ops-answers.js';
import { type ServiceList, type ServiceState } from './services.dto.js';

/** Longest wait for the answers of one process, in milliseconds. */
const TIMEOUT_MS = 1_000;
/** Longest answer, in bytes. Metrics of a process are about 100 KB. */
const MAX_BYTES = 4_194_304;
/** For how long an answer is given again, in milliseconds. Any number of pages costs each process one request in that time. */
const KEPT_MS = 2_000;

/** The addresses of the ports for operators, by names of processes. */
export type ProcessOrigins = ReadonlyMap<string, string>;

/** Reads health and figures of all processes from their ports for operators. */
export class ServiceStates {
  #kept: { readonly at: number; readonly list: Promise<ServiceList> } | undefined;

  /** @param origins is called for each reading: the port of this process itself can open later */
  constructor(private readonly origins: () => ProcessOrigins) {}

  /** A process that does not answer is in the list as unreachable. */
  list(): Promise<ServiceList> {
    if (this.#kept === undefined || performance.now() - this.#kept.at > KEPT_MS)
      this.#kept = { at: performance.now(), list: this.#read() };
    return this.#kept.list;
  }

  async #read(): Promise<ServiceList> {
    const time = new Date().toISOString();
    const processes = await Promise.all([...this.origins()].map(([name, origin]) => statesOf(name, origin)));
    return { time, items: processes.flat() };
  }
}

async function statesOf(process: string, origin: string): Promise<ServiceState[]> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const [health, metrics] = await Promise.all(
      ['/health/ready', '/metrics'].map((path) => read(origin + path, signal)),
    );
    return serviceStatesOf(process, health ?? '', metrics ?? '');
  } catch {
    return [{ process, service: process, status: 'unreachable', failing: [], lag: [] }];
  }
}

/** @throws Error for a redirection, which could lead anywhere, and for an answer that is too long or late */
async function read(url: string, signal: AbortSignal): Promise<string> {
  const { body } = await fetch(url, { signal, redirect: 'error' });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // The status of /health/ready is 503 while a service is not ready.
  for await (const chunk of body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > MAX_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}
