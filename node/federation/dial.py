"""Which addresses may be dialled: public ones, and the networks that the settings allow. Pure.

The question is asked for the address of every single connection attempt (client.py), never for the
text of a URL: names change their answers, and an address has many spellings.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# The special-purpose registries of IANA (RFC 6890 and successors), spelled out: `is_global` of the
# standard library answers differently from one patch release of Python to the next.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")  # the only unicast range handed out; ULA, link-local, multicast lie outside
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")

_HOME_SUFFIXES = (".onion", ".i2p", ".local", ".internal", ".localhost", ".home.arpa")


class Guard:
    """Says whether an address may be dialled. `allowed` are the exceptions of CUICUI_ALLOW_NETWORKS."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    @property
    def has_exceptions(self) -> bool:
        return bool(self._allowed)

    def is_allowed(self, text: str) -> bool:
        """In one of the networks that the settings allow, whatever it is otherwise."""
        address = _read(text)
        return address is not None and any(address in network for network in self._allowed)

    def may_dial(self, text: str) -> bool:
        """Public, or allowed by the settings."""
        address = _read(text)
        if address is None:
            return False
        return is_public(address) or any(address in network for network in self._allowed)


def is_public(address: Address) -> bool:
    """An address of the public unicast internet; the embedded one decides for mapped addresses and tunnels."""
    address = unwrap(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def unwrap(address: Address) -> Address:
    """The IPv4 address that this one finally reaches: v4-mapped, v4-compatible, 6to4, NAT64, Teredo."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_home_name(host: str) -> bool:
    """A name that no public server has: `localhost`, one label, `.local`, `.onion` …

    Only addresses that the settings allow are dialled for it.
    """
    name = host.rstrip(".")
    return "." not in name or name.endswith(_HOME_SUFFIXES)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """CIDRs as the settings have them. Raises ValueError naming the one that is none."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def _read(text: str) -> Address | None:
    """An address as sockets spell it, scope left off; the embedded one where there is one."""
    try:
        return unwrap(ip_address(text.partition("%")[0]))
    except ValueError:
        return None
