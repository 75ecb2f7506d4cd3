"""Who is counted as one when requests and wrong passwords are counted (security.md §7, §10)."""

from __future__ import annotations

import ipaddress


def network(address: str | None) -> str:
    """The address as one asker: of IPv6 the network of 64 bits, since a household has a whole one. "" for none."""
    found = _read(address)
    if found is None:
        return ""
    if found.version == 6 and found.is_global:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def is_crowd(address: str | None) -> bool:
    """Whether an address may speak for many: a private one is that of a proxy of ours, as far as we can know."""
    found = _read(address)
    return found is None or not found.is_global


def _read(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found
