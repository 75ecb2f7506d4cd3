"""Whose address a request is counted under: the peer's, or the one that a proxy of ours names (security.md §7, §10)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from aiohttp import web

from node.settings import Network

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED = "X-Forwarded-For"

TRUSTED = web.AppKey("TRUSTED", tuple[Network, ...])
"""On the application: the setting trusted_proxies."""

_LONGEST = 64
"""Characters of an address, with room for the name of an interface."""


def address_of(request: web.Request) -> str | None:
    """Whom a request comes from, as far as we can know; every limit that counts addresses asks here.

    A proxy changes nothing else: whether we speak https, and under which name, is said by `base_url` alone.
    """
    trusted = request.app.get(TRUSTED, ())
    if not trusted:
        return request.remote
    return caller(request.remote, request.headers.getall(FORWARDED, ()), trusted)


def caller(peer: str | None, lines: Iterable[str], trusted: tuple[Network, ...]) -> str | None:
    """The peer; or, when that is a proxy that is trusted, whom the X-Forwarded-For lines name.

    They are read from the right, where each proxy appends the one that it speaks for: the first that is not a proxy
    of ours is the one, and what stands left of it anybody may have written. What is no address counts as the peer.
    """
    if not is_trusted(peer, trusted):
        return peer
    found, rest = peer, ",".join(lines)
    while rest.strip():
        rest, _, last = rest.rpartition(",")
        named = read(last.strip())
        if named is None:
            return peer
        found = str(named)
        if not is_trusted(found, trusted):
            break
    return found


@lru_cache(maxsize=256)
def is_trusted(address: str | None, trusted: tuple[Network, ...]) -> bool:
    """Whether it is one of those proxies; a peer without an address (a socket file) is none."""
    found = read(address)
    return found is not None and any(found in network for network in trusted)


def network(address: str | None) -> str:
    """The address as one asker: of IPv6 the network of 64 bits, since a household has a whole one. "" for none."""
    found = read(address)
    if found is None:
        return ""
    if found.version == 6 and found.is_global:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def is_crowd(address: str | None) -> bool:
    """Whether an address may speak for many: a private one is that of a proxy of ours, as far as we can know."""
    found = read(address)
    return found is None or not found.is_global


def read(address: str | None) -> Address | None:
    """An address as it is written, IPv4 within IPv6 as what it is; None for anything else."""
    return _read(address) if address is not None and len(address) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _read(address: str) -> Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found
