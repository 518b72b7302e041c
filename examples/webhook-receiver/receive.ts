import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Webhook } from 'standardwebhooks';

/** An event of Countersign: a CloudEvent in structured mode, with OCSF as its data. */
export interface CountersignEvent {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly tenant: string;
  readonly subject?: string;
  readonly data: unknown;
}

/** Largest body that is read. */
const MAX_BYTES = 1_048_576;

/**
 * A receiver of webhooks. Verifies the signature over the bytes as they came, and handles each event once.
 * @param secret `whsec_…`, from the answer to the creation of the webhook
 * @param handle stores the event; when it rejects, the event is sent again later
 */
export function createReceiver(secret: string, handle: (event: CountersignEvent) => Promise<void>): Server {
  const webhook = new Webhook(secret);
  // Keep the ids in your database, in the transaction that stores the event.
  const seen = new Set<string>();
  return createServer((request, response) => {
    const answer = async (): Promise<number> => {
      const body = await read(request);
      let event: CountersignEvent;
      try {
        // Also refuses a timestamp that is more than five minutes off, so that nobody can send an old request again.
        event = webhook.verify(body, request.headers as Record<string, string>) as CountersignEvent;
      } catch {
        return 401;
      }
      if (seen.has(event.id)) return 204;
      await handle(event);
      seen.add(event.id);
      return 204;
    };
    answer().then(
      (status) => response.writeHead(status).end(),
      () => response.writeHead(500).end(),
    );
  });
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
