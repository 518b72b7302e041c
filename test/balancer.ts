import { type Copy, type SeparateProduct, type ServiceName } from './product.js';

const PROBE_EVERY_MS = 100;
const PROBE_LIMIT_MS = 1_000;

export type Adapter = Extract<ServiceName, 'swaig-adapter' | 'rest-adapter'>;
const ADAPTERS: readonly Adapter[] = ['swaig-adapter', 'rest-adapter'];

/** Chooses among the copies of an adapter as a load balancer does: in turn, and only among ready ones. */
export class Balancer {
  readonly #product: SeparateProduct;
  readonly #unready = new Set<Copy>();
  readonly #turns = new Map<Adapter, number>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(product: SeparateProduct) {
    this.#product = product;
    void this.#probe();
  }

  /** @returns undefined when no copy has opened its port; a copy that is not ready when none is */
  next(adapter: Adapter): { copy: Copy; url: string } | undefined {
    const listening = this.#listening(adapter);
    const ready = listening.filter((copy) => !this.#unready.has(copy));
    const candidates = ready.length > 0 ? ready : listening;
    const turn = this.#turns.get(adapter) ?? 0;
    this.#turns.set(adapter, turn + 1);
    const copy = candidates[turn % Math.max(1, candidates.length)];
    return copy && { copy, url: urlOf(copy) ?? '' };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #listening(adapter: Adapter): Copy[] {
    return this.#product.running(adapter).filter((copy) => urlOf(copy) !== undefined);
  }

  async #probe(): Promise<void> {
    const copies = ADAPTERS.flatMap((adapter) => this.#listening(adapter));
    await Promise.all(
      copies.map(async (copy) => {
        if (await isReady(urlOf(copy) ?? '')) this.#unready.delete(copy);
        else this.#unready.add(copy);
      }),
    );
    if (!this.#closed) this.#timer = setTimeout(() => void this.#probe(), PROBE_EVERY_MS);
  }
}

function urlOf({ urls }: Copy): string | undefined {
  return urls['swaig'] ?? urls['rest'];
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(PROBE_LIMIT_MS) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
