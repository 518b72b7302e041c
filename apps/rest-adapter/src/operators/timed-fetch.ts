import { METRICS } from '@countersign/observability';

/** What is requested from an OpenID provider, as the metric names it. */
export type ProviderRequest = 'discovery' | 'keys' | 'token' | 'userinfo';

export type TimedFetch = (url: string, options: object) => Promise<Response>;

const REQUESTS: readonly ProviderRequest[] = ['discovery', 'keys', 'token', 'userinfo'];

/** `fetch` for requests to the OpenID provider, which counts and times each one. */
export function timedFetch(requestOf: (url: string) => ProviderRequest): TimedFetch {
  // Prometheus sees the first failure as an increase only if the counter was 0 before it.
  for (const request of REQUESTS)
    for (const outcome of ['answered', 'refused', 'failed']) METRICS.openIdRequests.zero({ request, outcome });
  return async (url, options) => {
    const begunAt = performance.now();
    let outcome = 'failed';
    try {
      const response = await fetch(url, options);
      if (response.status < 500) outcome = response.status < 400 ? 'answered' : 'refused';
      return response;
    } finally {
      METRICS.openIdRequests.observe({ request: requestOf(url), outcome }, (performance.now() - begunAt) / 1000);
    }
  };
}
