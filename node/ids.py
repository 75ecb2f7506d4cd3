"""Where every IRI and id of ours is minted and spelled."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import quote, urlsplit

from node.model import Iri, host_of, origin_of

LARGEST = 2**63 - 1
"""No id is larger (decisions.md §10), and no column takes more."""

_COUNTER_BITS = 16


class Snowflake:
    """63-bit ids that sort by time: milliseconds since 1970, then a counter (decisions.md §10).

    Several processes may share one store (the node, a command line): the counter starts at a
    random place so that two of them do not mint the same id in the same millisecond; the
    primary key catches the rest.
    """

    def __init__(self, start: int) -> None:
        self._counter = start % (1 << _COUNTER_BITS)
        self._lock = threading.Lock()

    def mint(self, when: datetime) -> int:
        with self._lock:
            self._counter = (self._counter + 1) % (1 << _COUNTER_BITS)
            return (max(0, int(when.timestamp() * 1000)) << _COUNTER_BITS) | self._counter


def minted_ms(identifier: int) -> int:
    """The millisecond (since 1970, UTC) inside an id of Snowflake."""
    return identifier >> _COUNTER_BITS


@dataclass(frozen=True)
class Ids:
    """The addresses of one node. `base` is its public base URL without a trailing slash."""

    base: str
    handle: str

    @cached_property
    def origin(self) -> str:
        return origin_of(self.base)

    @cached_property
    def host(self) -> str:
        """Host and non-default port: the domain part of the owner's handle."""
        return host_of(self.base)

    @cached_property
    def acct(self) -> str:
        return f"{self.handle}@{self.host}"

    @cached_property
    def actor(self) -> Iri:
        return Iri(f"{self.base}/actor")

    @cached_property
    def server_actor(self) -> Iri:
        return Iri(f"{self.base}/server-actor")

    @cached_property
    def inbox(self) -> Iri:
        return Iri(f"{self.base}/inbox")

    @cached_property
    def outbox(self) -> Iri:
        return Iri(f"{self.base}/outbox")

    @cached_property
    def followers(self) -> Iri:
        return Iri(f"{self.base}/followers")

    @cached_property
    def followers_synchronization(self) -> Iri:
        """Which of the owner's followers live on the server that asks (FEP-8fcf)."""
        return Iri(f"{self.base}/followers_synchronization")

    @cached_property
    def following(self) -> Iri:
        return Iri(f"{self.base}/following")

    @cached_property
    def featured(self) -> Iri:
        return Iri(f"{self.base}/featured")

    @cached_property
    def profile_page(self) -> str:
        return f"{self.base}/@{self.handle}"

    @property
    def main_key(self) -> Iri:
        """The RSA key's id. The fragment form is what every server can follow (federation.md §13)."""
        return Iri(f"{self.actor}#main-key")

    @property
    def server_key(self) -> Iri:
        return Iri(f"{self.server_actor}#main-key")

    def identity_key(self, multikey: str) -> Iri:
        """The Ed25519 key's id: the fragment is the Multikey itself (integrity-proofs.md §4)."""
        return Iri(f"{self.actor}#{multikey}")

    def note(self, identifier: int) -> Iri:
        return Iri(f"{self.base}/notes/{identifier}")

    def note_page(self, identifier: int) -> str:
        return f"{self.profile_page}/{identifier}"

    def create(self, note: Iri) -> Iri:
        return Iri(f"{note}/activity")

    def delete(self, note: Iri) -> Iri:
        return Iri(f"{note}#delete")

    def replies(self, note: Iri) -> Iri:
        return Iri(f"{note}/replies")

    def context(self, identifier: int) -> str:
        return f"{self.base}/contexts/{identifier}"

    def tag(self, name: str) -> str:
        """Escaped: an address is ASCII, and some apps read nothing else as one."""
        return f"{self.base}/tags/{quote(name.lower(), safe='')}"

    def media(self, file: str) -> str:
        """Where a file of the media directory is served."""
        return f"{self.base}/media/{file}"

    def activity(self, identifier: int) -> Iri:
        """Follow, Accept, Reject, Undo: whatever has no object of ours to hang its id on."""
        return Iri(f"{self.base}/activities/{identifier}")

    def stamp(self, identifier: int) -> Iri:
        """A QuoteAuthorization of the owner's."""
        return Iri(f"{self.base}/stamps/{identifier}")

    def quote_request(self, note: Iri) -> Iri:
        return Iri(f"{note}#quote-request")

    def vote(self, identifier: int) -> Iri:
        """A vote of the owner's in somebody's poll. It is told to its author alone, and cannot be read anywhere."""
        return Iri(f"{self.actor}#votes/{identifier}")

    def is_ours(self, iri: str) -> bool:
        """Same origin: nothing that arrives from outside may define such an id."""
        return origin_of(iri) == self.origin

    def note_number(self, iri: str) -> int | None:
        """The number in a note's IRI or page address of ours; None for anything else."""
        if not self.is_ours(iri):
            return None
        base_path = urlsplit(self.base).path
        path = urlsplit(iri).path.removeprefix(base_path)
        for prefix in ("/notes/", f"/@{self.handle}/"):
            tail = path.removeprefix(prefix)
            if tail != path and tail.isascii() and tail.isdigit() and len(tail) <= 19:
                return number if (number := int(tail)) <= LARGEST else None
        return None
