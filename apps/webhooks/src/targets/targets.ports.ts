/** A signed request to a receiver. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * Why no answer came. `target`: the address is not allowed, so nothing was sent. `secret`: the secret cannot be decrypted, so
 * nothing could be signed.
 */
export type SendFault = 'target' | 'dns' | 'timeout' | 'tls' | 'connection' | 'secret';

/** The result of one attempt: the status of the answer, or the reason why there was none. Nothing else of it is kept. */
export type SendResult =
  { readonly status: number; readonly retryAfterSeconds?: number } | { readonly fault: SendFault };

/** Sends requests to receivers, which are chosen by tenants and not trusted. */
export abstract class WebhookSender {
  /** Never rejects. Connects only to addresses that are allowed, and follows no redirect. */
  abstract send(request: WebhookRequest): Promise<SendResult>;

  /** @returns the rule that a URL violates, also after its host was resolved; undefined when it may be used */
  abstract ruleBroken(url: string): Promise<string | undefined>;
}
