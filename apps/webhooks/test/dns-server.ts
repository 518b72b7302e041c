import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';

const [TYPE_A, TYPE_AAAA] = [1, 28];
const HEADER_BYTES = 12;

/** A DNS server on the loopback interface, whose answers a test chooses. It answers only questions for addresses. */
export class DnsServer {
  /** Hosts that were asked for an IPv4 address, in order. */
  readonly questions: string[] = [];

  private constructor(
    private readonly socket: Socket,
    readonly address: string,
  ) {}

  /** @param addresses of a host; none: the host does not exist */
  static async start(addresses: (host: string) => readonly string[]): Promise<DnsServer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const server = new DnsServer(socket, `127.0.0.1:${socket.address().port}`);
    socket.on('message', (message, { port, address }) => {
      const { host, type, end } = readQuestion(message);
      if (type === TYPE_A) server.questions.push(host);
      const found = [TYPE_A, TYPE_AAAA].includes(type) ? addresses(host) : [];
      const family = type === TYPE_A ? 4 : 6;
      const records = found.filter((one) => isIP(one) === family).map((one) => answerOf(type, one));
      const head = Buffer.from(message.subarray(0, end));
      head.writeUInt16BE(found.length === 0 ? 0x8183 : 0x8180, 2);
      head.writeUInt16BE(records.length, 6);
      head.writeUInt32BE(0, 8);
      socket.send(Buffer.concat([head, ...records]), port, address);
    });
    return server;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

/** The first question (RFC 1035 section 4.1.2). */
function readQuestion(message: Buffer): { host: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('ascii', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { host: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** A resource record that points to the name of the question, with a life of zero seconds. */
function answerOf(type: number, address: string): Buffer {
  const bytes = type === TYPE_A ? Buffer.from(address.split('.').map(Number)) : bytesOfV6(address);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(bytes.length, 10);
  return Buffer.concat([head, bytes]);
}

function bytesOfV6(address: string): Buffer {
  const [left = '', right = ''] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((one) => parseInt(one, 16)));
  const [head, tail] = [groups(left), groups(right)];
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
