import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { ApiProblem } from './problem.js';
import { sessionQuery } from './session.js';

type ProblemListener = (problem: ApiProblem) => void;
let onRecentSignInRequired: ProblemListener = () => undefined;

/** Calls `listener` when an action needs a sign-in of the last minutes. */
export function whenRecentSignInIsRequired(listener: ProblemListener): void {
  onRecentSignInRequired = listener;
}

/** A session that has ended, or was replaced by a sign-in in another tab, is read again. */
export function reactToProblem(error: unknown): void {
  if (!(error instanceof ApiProblem)) return;
  if (error.status === 401 || error.kind === 'cross-site-request')
    void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
  if (error.kind === 'recent-sign-in-required') onRecentSignInRequired(error);
}

const MOST_RETRIES = 2;

/** What the pages have read. A refusal is final; only an answer that did not come is requested again. */
export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: reactToProblem }),
  mutationCache: new MutationCache({ onError: reactToProblem }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) =>
        failures < MOST_RETRIES && error instanceof ApiProblem && (error.status === 0 || error.status === 503),
    },
  },
});
