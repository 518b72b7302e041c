import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type CheckReceipt } from './check-receipt.js';

/** Balances in cents, by customer: the data that a real system would protect. */
export type Accounts = Map<string, number>;

/**
 * A bank that trusts only a receipt. `GET /balance` works as long as the receipt is active; `POST /payments` moves money
 * once for each receipt. Both require `authorization: Bearer <receipt>` and `x-call-id`.
 */
export function createBackend(receipts: CheckReceipt, accounts: Accounts): Server {
  return createServer((request, response) => {
    answer(request, response, receipts, accounts).catch(() => end(response, 503, { error: 'try again later' }));
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  receipts: CheckReceipt,
  accounts: Accounts,
): Promise<void> {
  const receipt = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const callId = String(request.headers['x-call-id'] ?? '');
  switch (`${request.method ?? ''} ${request.url ?? ''}`) {
    case 'GET /balance': {
      const customer = await receipts.offline(receipt, callId);
      if (customer === undefined) return end(response, 401, { error: 'a receipt of this call is needed' });
      return end(response, 200, { cents: accounts.get(customer) ?? 0 });
    }
    case 'POST /payments': {
      const cents = await readCents(request);
      if (cents === undefined) return end(response, 422, { error: 'cents must be a whole number above 0' });
      // Consumed last, after every other check, because the caller needs a new PIN entry for another receipt.
      const customer = await receipts.once(receipt, callId);
      if (customer === undefined) return end(response, 401, { error: 'a receipt of this call is needed, unspent' });
      const balance = (accounts.get(customer) ?? 0) - cents;
      accounts.set(customer, balance);
      return end(response, 200, { cents: balance });
    }
    default:
      return end(response, 404, { error: 'there is nothing here' });
  }
}

async function readCents(request: IncomingMessage): Promise<number | undefined> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > 1000) return undefined;
  }
  try {
    const { cents } = JSON.parse(text) as { cents?: unknown };
    return Number.isSafeInteger(cents) && (cents as number) > 0 ? (cents as number) : undefined;
  } catch {
    return undefined;
  }
}

function end(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
