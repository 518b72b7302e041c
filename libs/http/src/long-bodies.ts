import { type Duplex } from 'node:stream';
import { type FastifyRequest } from 'fastify';

/** Connections with a body that is read as fast as a service works, which may take longer than other requests may. */
const connections = new WeakSet<Duplex>();

/**
 * Lets the body of a request take as long as its route reads from it. The route must limit the pauses, because no other limit
 * ends a slow sender.
 * @returns call it when the body is no longer read
 */
export function allowLongBody({ raw: { socket } }: FastifyRequest): () => void {
  connections.add(socket);
  return () => connections.delete(socket);
}

export const isLongBody = (connection: Duplex): boolean => connections.has(connection);
