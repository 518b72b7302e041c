import { type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { createReceiver, type CountersignEvent } from './receive.js';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const EVENT = { specversion: '1.0', id: 'event-1', type: 'countersign.attempt.decided.v1', tenant: 'acme', data: {} };

let server: Server;
let handled: CountersignEvent[];
let isBroken: boolean;

beforeEach(async () => {
  [handled, isBroken] = [[], false];
  server = createReceiver(SECRET, (event) => {
    if (isBroken) return Promise.reject(new Error('the database is down'));
    handled.push(event);
    return Promise.resolve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

async function post(secret = SECRET, at = new Date(), change = (body: string) => body): Promise<number> {
  const body = JSON.stringify(EVENT);
  const { port } = server.address() as AddressInfo;
  const headers = {
    'webhook-id': EVENT.id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(EVENT.id, at, body),
  };
  return (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: change(body) })).status;
}

describe('the receiver of docs/webhooks.md', () => {
  it('handles an event once, although it is sent twice', async () => {
    expect([await post(), await post()]).toEqual([204, 204]);
    expect(handled).toEqual([EVENT]);
  });

  it('refuses another secret, a changed body and an old request', async () => {
    const other = `whsec_${randomBytes(32).toString('base64')}`;
    expect(await post(other)).toBe(401);
    expect(await post(SECRET, new Date(), (body) => body.replace('acme', 'evil'))).toBe(401);
    expect(await post(SECRET, new Date(Date.now() - 600_000))).toBe(401);
    expect(handled).toEqual([]);
  });

  it('answers 500 when it cannot store the event, and accepts it when it is sent again', async () => {
    isBroken = true;
    expect(await post()).toBe(500);
    isBroken = false;
    expect(await post()).toBe(204);
    expect(handled).toEqual([EVENT]);
  });
});
