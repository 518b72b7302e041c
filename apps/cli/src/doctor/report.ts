import { ServiceError } from '@countersign/runtime';

/** `skipped`: the check could not run; its text says why. */
export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

/** One line of the report. Contains no secret. */
export interface Finding {
  readonly check: string;
  readonly status: CheckStatus;
  readonly text: string;
  /** What to do: a command or a setting. Undefined when nothing is wrong, or the text says it. */
  readonly cure?: string;
}

/** What a check found: its problems, or without any the text of its `ok` line. */
export interface CheckResult {
  readonly ok: string;
  readonly problems: readonly Omit<Finding, 'check'>[];
}

/** Longest time of one check, in milliseconds. */
const CHECK_LIMIT_MS = 12_000;

/** Runs checks, and collects and prints what they find. */
export class Report {
  readonly findings: Finding[] = [];

  /** @param print receives each line when it is known */
  constructor(private readonly print: (finding: Finding) => void) {}

  add(finding: Finding): void {
    this.findings.push(finding);
    this.print(finding);
  }

  skip(check: string, reason: string): void {
    this.add({ check, status: 'skipped', text: `not checked: ${reason}` });
  }

  /**
   * Runs one check within its time limit. An error that it throws is a finding.
   * @returns whether it ended without a failure, so checks that build on it can run
   */
  async run(check: string, work: () => Promise<CheckResult> | CheckResult): Promise<boolean> {
    try {
      const { ok, problems } = await withLimit(work);
      for (const problem of problems) this.add({ check, ...problem });
      if (problems.length === 0) this.add({ check, status: 'ok', text: ok });
      return problems.every(({ status }) => status !== 'failed');
    } catch (error) {
      this.add({ check, ...failureOf(error) });
      return false;
    }
  }

  /** 0: all is well; 1: warnings, or a check that could not run although nothing failed; 2: a failure. */
  get exitCode(): 0 | 1 | 2 {
    if (this.findings.some(({ status }) => status === 'failed')) return 2;
    return this.findings.every(({ status }) => status === 'ok') ? 0 : 1;
  }
}

/** Our own messages say what to do after the first colon. Messages of libraries can contain input, so only their code is shown. */
export function failureOf(error: unknown): Omit<Finding, 'check'> {
  if (error instanceof ServiceError) {
    const [text = '', ...rest] = error.message.split(': ');
    return { status: 'failed', text, ...(rest.length > 0 ? { cure: rest.join(': ') } : {}) };
  }
  const { code } = (error ?? {}) as { code?: unknown };
  const what = typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
  return { status: 'failed', text: `the check ended with an error (${what})` };
}

async function withLimit<T>(work: () => Promise<T> | T): Promise<T> {
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    limit = setTimeout(() => {
      const seconds = CHECK_LIMIT_MS / 1000;
      const cure = 'check that the server works and that the network lets its answers through';
      reject(new ServiceError('INTERNAL', `there was no answer within ${seconds} s: ${cure}`, true));
    }, CHECK_LIMIT_MS);
  });
  return Promise.race([Promise.resolve().then(work), late]).finally(() => clearTimeout(limit));
}
