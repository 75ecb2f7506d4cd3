"""Fetching for our own curiosity, politely: few at a time for each host, with pauses, within a budget."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from node.errors import Unreachable
from node.federation.dial import Guard, Network
from node.federation.fetch import Fetched, Fetcher, Paged
from node.federation.schedule import LONGEST_RETRY_AFTER
from node.model import host_of

AT_ONCE = 2
"""Requests to one host at the same time."""

PAUSE = 0.2
"""Seconds between two requests to one host, at least; chance adds up to as much again."""

HOME_PAUSE = 0.002
"""The same for networks that the owner allowed: one's own machines."""

BUDGET = 300
"""Requests to one host in an hour."""

HOUR = 3600.0
HELD = 60.0
"""Seconds that a host is left alone when it says 429 or 503 and not for how long."""

PATIENCE = 5.0
"""Seconds that a request waits for a host that asked for a pause; for longer it comes back later."""

MOST_HOSTS = 5_000


@dataclass
class _Host:
    pause: float
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    next_at: float = 0.0
    held_until: float = 0.0
    hour_began: float = float("-inf")
    used: int = 0
    inside: int = 0


class Manners:
    """Whose turn it is, host by host. `chance` in [0, 1) spreads requests; `budget` is for each host and hour."""

    def __init__(
        self,
        allow_networks: Sequence[Network] = (),
        *,
        budget: int = BUDGET,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._guard = Guard(allow_networks)
        self._budget = budget
        self._chance = chance
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Wait for one's turn with the host of `url`, and keep it for one request.

        Raises Unreachable (`budget`, `held`) with `retry_after` when it will not come soon.
        """
        host = self._host(host_of(url))
        host.inside += 1
        try:
            async with host.gate:
                await asyncio.sleep(self._wait(host, url))
                try:
                    yield
                except Unreachable as error:
                    if error.status in (429, 503):
                        self.hold(url, error.retry_after or HELD)
                    raise
        finally:
            host.inside -= 1

    def hold(self, url: str, seconds: float) -> None:
        """The host asked to be left alone (RFC 9110 §10.2.3); for a day at most."""
        host = self._host(host_of(url))
        host.held_until = max(host.held_until, _now() + min(seconds, LONGEST_RETRY_AFTER.total_seconds()))

    def _wait(self, host: _Host, url: str) -> float:
        """Count a request; how many seconds it has to wait."""
        now = _now()
        if host.held_until - now > PATIENCE:
            raise Unreachable(
                f"{host_of(url)} asked to be left alone for a while", code="held", retry_after=host.held_until - now
            )
        if now - host.hour_began >= HOUR:
            host.hour_began, host.used = now, 0
        if host.used >= self._budget:
            raise Unreachable(
                f"{host_of(url)} was asked {host.used} times within an hour, which is enough",
                code="budget",
                retry_after=host.hour_began + HOUR - now,
            )
        host.used += 1
        begin = max(now, host.next_at, host.held_until)
        host.next_at = begin + host.pause * (1 + self._chance())
        return begin - now

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            if len(self._hosts) >= MOST_HOSTS:
                self._forget_idle()
            host = self._hosts[name] = _Host(HOME_PAUSE if self._is_home(name) else PAUSE)
        return host

    def _forget_idle(self) -> None:
        now = _now()
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.inside or host.held_until > now or now - host.hour_began < HOUR
        }

    def _is_home(self, name: str) -> bool:
        bare = name.partition("]")[0].removeprefix("[") if name.startswith("[") else name.partition(":")[0]
        try:
            return self._guard.is_allowed(str(ipaddress.ip_address(bare)))
        except ValueError:
            return False


class PoliteFetcher:
    """Fetches when it is one's turn. Everything fetched in the background comes through here."""

    def __init__(self, fetcher: Fetcher, manners: Manners) -> None:
        self._fetcher = fetcher
        self._manners = manners

    async def document(self, url: str) -> Fetched:
        """As Fetcher.document(). Raises Unreachable, also when there is no turn to be had soon."""
        async with self._manners.turn(url):
            return await self._fetcher.document(url)

    async def page(self, url: str, *, etag: str | None = None) -> Paged | None:
        """As Fetcher.page()."""
        async with self._manners.turn(url):
            return await self._fetcher.page(url, etag=etag)


def _now() -> float:
    return asyncio.get_running_loop().time()
