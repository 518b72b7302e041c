/** How often Node looks for connections that are over their time; unless told, every 30 s. */
export const RECEIVE_CHECK_MS = 1000;

/** Options of `node:http` that bound how long a request may take to arrive. */
export interface ReceiveLimits {
  readonly requestTimeout: number;
  readonly headersTimeout: number;
  readonly connectionsCheckingInterval: number;
}

/**
 * Ends each connection whose request, its headers included, has not arrived whole in time, however steadily its bytes come:
 * a slow sender must not hold a connection. The end comes at most {@link RECEIVE_CHECK_MS} later. These are options for
 * `createServer`: Node reads the interval nowhere else.
 * @param milliseconds from the first byte of a request, or from the connection for its first request
 */
export function receiveLimits(milliseconds: number): ReceiveLimits {
  return {
    requestTimeout: milliseconds,
    headersTimeout: milliseconds,
    connectionsCheckingInterval: RECEIVE_CHECK_MS,
  };
}
