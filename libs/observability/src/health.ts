/** Whether a service is ready to work, for `/health/ready`. */
export class Health {
  readonly #checks = new Map<string, () => boolean>();

  /** @param check fast and synchronous: it reads state that the service already has */
  add(name: string, check: () => boolean): this {
    this.#checks.set(name, check);
    return this;
  }

  /** The result of every check; `status` is `ok` when all succeed. */
  report(): { status: 'ok' | 'unavailable'; checks: Record<string, boolean> } {
    const checks = Object.fromEntries([...this.#checks].map(([name, check]) => [name, check()]));
    return { status: Object.values(checks).every(Boolean) ? 'ok' : 'unavailable', checks };
  }
}
