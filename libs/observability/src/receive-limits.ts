/** How often Node checks connections for exceeded timeouts, in milliseconds. Node's default is 30 s. */
export const RECEIVE_CHECK_MS = 1000;

/** Options of `node:http` that bound how long a request may take to arrive. */
export interface ReceiveLimits {
  readonly requestTimeout: number;
  readonly headersTimeout: number;
  readonly connectionsCheckingInterval: number;
}

/**
 * Ends each connection that has not delivered its whole request, headers included, in time. A slow sender must not hold a
 * connection, even if it sends steadily. The connection ends at most {@link RECEIVE_CHECK_MS} after the limit. Pass the
 * options to `createServer`, because Node reads the interval only there.
 * @param milliseconds from the first byte of a request, or from the connection for its first request
 */
export function receiveLimits(milliseconds: number): ReceiveLimits {
  return {
    requestTimeout: milliseconds,
    headersTimeout: milliseconds,
    connectionsCheckingInterval: RECEIVE_CHECK_MS,
  };
}
