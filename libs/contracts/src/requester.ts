/** On whose behalf work is done. Fairness goes by tenant, then agent, then caller, and never decides who may do what. */
export interface Requester {
  readonly tenant: string;
  /** Empty for work of the tenant itself, such as management. */
  readonly agent: string;
  /** Any name that is the same for the same caller. */
  readonly caller: string;
}
