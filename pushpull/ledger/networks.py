"""Where a request came from, no finer than needed: the block of addresses, never the address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

#: A site's usual share of IPv4 in routing, and what an organisation is given of IPv6 (RFC 6177, BCP 157).
_IPV4_BITS: Final = 24
_IPV6_BITS: Final = 48


def block_of(address: str) -> str:
    """The block an address belongs to, ``203.0.113.0/24`` or ``2001:db8:1::/48``; empty where it is no address.

    Args:
        address: as the server gives it; a mapped IPv4 address (RFC 4291, section 2.5.5.2) counts as IPv4.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    bits = _IPV4_BITS if isinstance(found, IPv4Address) else _IPV6_BITS
    kept = int(found) >> (found.max_prefixlen - bits) << (found.max_prefixlen - bits)
    return f"{type(found)(kept)}/{bits}"
