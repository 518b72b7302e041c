/** The requester of work, for fairness by tenant, then agent, then caller. It never decides about rights. */
export interface Requester {
  readonly tenant: string;
  /** Empty for work of the tenant itself, such as management. */
  readonly agent: string;
  /** Any name that is the same for the same caller. */
  readonly caller: string;
}
