import { BlockList, isIPv4, isIPv6 } from 'node:net';

type Family = 'ipv4' | 'ipv6';

function familyOf(address: string): Family | null {
  if (isIPv4(address)) return 'ipv4';
  return isIPv6(address) ? 'ipv6' : null;
}

/**
 * Whether an address, as `api/addresses.ts` spells it, is in one of the networks.
 * @param networks as the policies take them: `192.0.2.0/24`, `2001:db8::/32`, or one address.
 */
export function isWithin(address: string, networks: readonly string[]): boolean {
  const family = familyOf(address);
  if (family === null) return false;
  const list = new BlockList();
  for (const network of networks) {
    const [place = '', bits = family === 'ipv4' ? '32' : '128'] = network.split('/');
    // Node takes IPv4 for a part of ::/0 as well.
    if (familyOf(place) === family) list.addSubnet(place, Number(bits), family);
  }
  return list.check(address, family);
}
