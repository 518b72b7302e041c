import { Problem } from '@countersign/api';
import { METRICS } from '@countersign/observability';
import { type SignInFault } from './open-id-provider.js';

const RESULTS = [
  ...(['success', 'no_role', 'expired', 'mismatch', 'provider_refused'] as const),
  ...(['wrong_key', 'cross_site', 'unavailable'] as const),
];
type SignInResult = (typeof RESULTS)[number] | SignInFault;
type SignInMethod = 'oidc' | 'key';

/** Shows each result as 0: Prometheus sees the first one as an increase only if the counter was 0 before it. */
export function openSignInCounts(method: SignInMethod): void {
  for (const result of RESULTS) METRICS.signIns.inc({ method, result }, 0);
}

export function countSignIn(method: SignInMethod, result: SignInResult): void {
  METRICS.signIns.inc({ method, result });
}

/** Counts a sign-in that ends by an exception, and throws it again. */
export async function countingFaults<T>(method: SignInMethod, signIn: () => Promise<T>): Promise<T> {
  try {
    return await signIn();
  } catch (error) {
    countSignIn(method, resultOf(error));
    throw error;
  }
}

function resultOf(error: unknown): SignInResult {
  if (!(error instanceof Problem)) return 'unavailable';
  if (error.problem === 'cross-site-request') return 'cross_site';
  return error.problem === 'unauthorized' ? 'wrong_key' : 'unavailable';
}
