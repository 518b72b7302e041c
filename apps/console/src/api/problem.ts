/** A rule that a field of a request breaks. The API never repeats the value. */
export interface FieldProblem {
  readonly field: string;
  readonly rule: string;
}

/** A refusal of the API (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';

  constructor(
    readonly status: number,
    /** The last part of the type, such as `not-found`; `unreachable` without an answer. */
    readonly kind: string,
    readonly detail: string,
    readonly violations: readonly FieldProblem[] = [],
  ) {
    super(kind);
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Reads the body of a response that is no success. */
export const problemOfResponse = async (response: Response): Promise<ApiProblem> =>
  problemOf(response.status, await response.text().catch(() => ''));

/** @param text the body of the answer. @param status undefined: that which the body states */
export function problemOf(status: number | undefined, text: string): ApiProblem {
  const body = parsed(text);
  if (!isRecord(body)) return new ApiProblem(status ?? 0, 'unknown', '');
  const violations = Array.isArray(body['violations']) ? body['violations'].filter(isRecord) : [];
  return new ApiProblem(
    status ?? Number(body['status']),
    textOf(body['type']).replace(/^.*:/, ''),
    textOf(body['detail']),
    violations.map((violation) => ({ field: textOf(violation['field']), rule: textOf(violation['rule']) })),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
