import ipaddr from 'ipaddr.js';

/** An address block that an operator allows although it is not public. */
export type AllowedNetwork = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Addresses that the internet routes (RFC 4291, IANA). All other IPv6 blocks embed, tunnel or translate something else. */
const GLOBAL_UNICAST_V6 = ipaddr.parseCIDR('2000::/3');

/** The host agent of Azure: public by its number, but reached only from a virtual machine, whose secrets it gives out. */
const AZURE_HOST_AGENT = '168.63.129.16';

/**
 * Parses address blocks, such as `10.0.0.0/8,fd00::/8`.
 * @throws Error that states the rule
 */
export function parseNetworks(text: string): AllowedNetwork[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      if (!ipaddr.isValidCIDR(one))
        throw new Error('must be address blocks such as 10.0.0.0/8, with commas between them');
      return ipaddr.parseCIDR(one);
    });
}

/**
 * Whether a webhook may be sent to this address: it is public, or in an allowed network. Loopback, private, link-local (and
 * so most metadata services of clouds; that of Azure is excluded by its address), unique-local, shared (RFC 6598), multicast and reserved addresses are not public, and
 * neither is an IPv6 address that stands for an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo).
 * @param address as a resolver or the URL parser writes it, without brackets
 */
export function isAllowedAddress(address: string, allowed: readonly AllowedNetwork[]): boolean {
  // A zone, such as fe80::1%eth0, selects an interface of this host.
  if (!ipaddr.isValid(address) || address.includes('%')) return false;
  // A mapped address reaches the IPv4 address, so it is judged as that.
  const parsed = ipaddr.process(address);
  if (allowed.some(([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits))) return true;
  if (parsed.range() !== 'unicast' || parsed.toString() === AZURE_HOST_AGENT) return false;
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_UNICAST_V6);
}
