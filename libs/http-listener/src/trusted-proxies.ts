import { BlockList, isIP, isIPv4 } from 'node:net';
import { ValidateBy } from 'class-validator';

/** Proxies that name the source of a request in X-Forwarded-For. */
export class TrustedProxies {
  readonly #ranges = new BlockList();

  /** @param list a value that {@link IsProxyList} accepts */
  constructor(list: string) {
    for (const { network, bits } of parsed(list) ?? []) this.#ranges.addSubnet(network, bits, familyOf(network));
  }

  includes(address: string): boolean {
    // Node does not compare addresses with a zone.
    const plain = address.replace(/%.*$/, '');
    return isIP(plain) !== 0 && this.#ranges.check(plain, familyOf(plain));
  }
}

/** A list of addresses and ranges, empty for none. A range of all addresses is refused: anyone could then forge a source. */
export function IsProxyList(): PropertyDecorator {
  return ValidateBy({
    name: 'isProxyList',
    validator: {
      validate: (value) => typeof value === 'string' && parsed(value) !== undefined,
      defaultMessage: () =>
        '$property must be IP addresses or ranges like 10.0.0.0/8, separated by commas, and no range of all addresses',
    },
  });
}

/**
 * The addresses in a header X-Forwarded-For, without ports. Clients can send any text in it, and proxies append to that, so
 * only what follows the last part that is no address is kept.
 */
export function forwardedAddresses(header: string): readonly string[] {
  const parts = header.split(',').map((part) => withoutPort(part.trim()));
  return parts.slice(parts.findLastIndex((part) => isIP(part) === 0) + 1);
}

const withoutPort = (part: string): string =>
  part.replace(/^\[([^\]]*)\](?::\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1');

/** The network that shares a limit: an IPv4 address, or the first 64 bits of an IPv6 address, which one client often has. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined || isIPv4(address)) return mapped ?? address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const [first, last] = [head, tail ?? ''].map((groups) => groups.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(Math.max(0, 8 - (first?.length ?? 0) - (last?.length ?? 0))).fill('0');
  return [...(first ?? []), ...zeros, ...(last ?? [])].slice(0, 4).join(':');
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv4(address) ? 'ipv4' : 'ipv6');

/** @returns undefined when a part is neither an address nor a range, or covers all addresses */
function parsed(list: string): readonly { readonly network: string; readonly bits: number }[] | undefined {
  if (list === '') return [];
  const ranges = list.split(',').map((part) => {
    const [, network = '', bits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(part.trim()) ?? [];
    const most = { 0: 0, 4: 32, 6: 128 }[isIP(network)] ?? 0;
    return { network, bits: bits === undefined ? most : Number(bits), most };
  });
  return ranges.every(({ bits, most }) => bits >= 1 && bits <= most) ? ranges : undefined;
}
