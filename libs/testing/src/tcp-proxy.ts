import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP port of 127.0.0.1 that forwards everything, until a test breaks the network. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: number | undefined;
  #refusing = false;

  private constructor() {
    this.#server = createServer((client) => this.#join(client));
  }

  /** Listens on a free port. Connections before the call of {@link TcpProxy.to} are reset. */
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

  /** Sets the port of 127.0.0.1 behind the proxy. Open connections are not affected. */
  to(port: number): void {
    this.#target = port;
  }

  /**
   * Resets every connection, even in the middle of a message.
   * @returns how many there were
   */
  cut(): number {
    const cut = this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return Math.ceil(cut);
  }

  /** While true, new connections are also reset, so the server cannot be reached. */
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
      // A reset on one side is passed on to the other side.
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
      socket.pipe(other);
    }
  }
}
