/** Whether a service can do its work now; asked by `/health/ready`. */
export class Health {
  readonly #checks = new Map<string, () => boolean>();

  /** @param check cheap and synchronous: it reads what the service knows already */
  add(name: string, check: () => boolean): this {
    this.#checks.set(name, check);
    return this;
  }

  /** Every check with its answer; `status` is `ok` when all of them hold. */
  report(): { status: 'ok' | 'unavailable'; checks: Record<string, boolean> } {
    const checks = Object.fromEntries([...this.#checks].map(([name, check]) => [name, check()]));
    return { status: Object.values(checks).every(Boolean) ? 'ok' : 'unavailable', checks };
  }
}
