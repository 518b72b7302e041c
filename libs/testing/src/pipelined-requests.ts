import { connect, type Socket } from 'node:net';

/** An HTTP request as text. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * Sends each list of requests over a connection of its own, in one packet and in this order, without waiting for answers.
 * A server receives each list at once, as in a burst of traffic.
 * @returns a function that closes the connections
 */
export async function sendPipelined(url: string, lists: readonly (readonly RawRequest[])[]): Promise<() => void> {
  const { hostname, port } = new URL(url);
  const sockets = await Promise.all(
    lists.map(
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(Number(port), hostname, () => resolve(socket));
          socket.once('error', reject);
          socket.resume();
        }),
    ),
  );
  sockets.forEach((socket, index) => socket.write((lists[index] ?? []).map(toText).join('')));
  return () => sockets.forEach((socket) => socket.destroy());
}

function toText({ method, path, headers, body = '' }: RawRequest): string {
  const fields = { host: 'localhost', 'content-length': String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${path} HTTP/1.1`, ...lines, '', body].join('\r\n');
}
