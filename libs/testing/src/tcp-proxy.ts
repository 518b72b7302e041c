import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP port of 127.0.0.1 that hands everything on, until a test says that the network is broken. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: number | undefined;
  #refusing = false;

  private constructor() {
    this.#server = createServer((client) => this.#join(client));
  }

  /** Listens on a free port. What connects before {@link TcpProxy.to} is called is cut. */
  static async listen(): Promise<TcpProxy> {
    const proxy = new TcpProxy();
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Names the port of 127.0.0.1 behind the proxy; connections that are open stay where they are. */
  to(port: number): void {
    this.#target = port;
  }

  /**
   * Resets every connection, in the middle of whatever it carries.
   * @returns how many there were
   */
  cut(): number {
    const cut = this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return Math.ceil(cut);
  }

  /** While true, new connections are reset as well: the other side cannot be reached. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  /** Ends all connections and frees the port. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #join(client: Socket): void {
    if (this.#target === undefined || this.#refusing) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#target, host: '127.0.0.1' });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      // A reset on one side is a reset on the other: the client must see what the network did.
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
      socket.pipe(other);
    }
  }
}
