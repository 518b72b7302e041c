import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { post, SampledConnection } from './timed-answer.js';

describe('SampledConnection', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  /** Answers every request, and ends a connection after three. Ends it at once for the path `/ends`. */
  async function serve(): Promise<{ readonly url: string; connections: () => number }> {
    let connections = 0;
    const server = createServer((request, response) => {
      if (request.url === '/ends') response.setHeader('connection', 'close');
      request.resume().on('end', () => response.end('{}'));
    });
    server.on('connection', () => connections++);
    server.maxRequestsPerSocket = 3;
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
  }

  async function answersTo(paths: readonly string[], most: number): Promise<{ bytes: string[]; connections: number }> {
    const { url, connections } = await serve();
    const connection = new SampledConnection(most);
    const bytes: string[] = [];
    for (const path of paths) {
      await connection.makeRoom(1, (agent) => post(agent, url, 'none', {}));
      bytes.push((await post(connection.agent, `${url}${path}`, 'none', {})).bytes);
    }
    connection.close();
    return { bytes, connections: connections() };
  }

  it('replaces a connection before the server announces its end, so all answers have the same bytes', async () => {
    const { bytes, connections } = await answersTo(
      Array.from({ length: 6 }, () => '/'),
      2,
    );
    expect(new Set(bytes).size).toBe(1);
    expect(connections).toBe(6);
    expect(
      new Set(
        (
          await answersTo(
            Array.from({ length: 6 }, () => '/'),
            1_000,
          )
        ).bytes,
      ).size,
    ).toBe(2);
  });

  it('shows the header `connection` of an answer, so a class with a different one is found', async () => {
    const { bytes } = await answersTo(['/', '/ends', '/'], 2);
    expect(bytes[1]).toMatch(/^connection: close$/m);
    expect(bytes[0]).not.toBe(bytes[1]);
    expect(bytes[2]).toBe(bytes[0]);
  });
});
