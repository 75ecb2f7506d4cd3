"""Posts that we go and get: fetched from their origin, and judged like those that were delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from node.errors import Reason, Refused, Unreachable
from node.federation import parse, policy
from node.federation.actors import Actors
from node.federation.authenticate import Authenticator
from node.federation.fetch import Fetched
from node.federation.policy import Facts, ProofBroken
from node.model import Actor, Authorship, Iri, Note


@dataclass(frozen=True, slots=True)
class Original:
    """A post as its origin shows it, with the verdict on who wrote it."""

    note: Note
    author: Actor
    authorship: Authorship
    fetched: Fetched


class Source(Protocol):
    """Where documents come from: fetch.Fetcher, or one that waits for its turn."""

    async def document(self, url: str) -> Fetched: ...


class Originals:
    """Never trusts more than what is delivered: same parser, same origin rules, own verdict."""

    def __init__(self, fetcher: Source, actors: Actors, authenticator: Authenticator) -> None:
        self._fetcher = fetcher
        self._actors = actors
        self._authenticator = authenticator

    async def is_gone(self, iri: Iri) -> bool:
        """Whether its origin says that there is no such post (any more): 404, 410, or a Tombstone."""
        try:
            fetched = await self._fetcher.document(iri)
        except Unreachable as error:
            return error.status in (404, 410)
        except Refused:
            return False
        return parse.type_of(fetched.document, ("Tombstone",)) == "Tombstone"

    async def get(self, iri: Iri) -> Original:
        """The post at `iri`; its own id may be another one of the same server. Raises Unreachable, Refused."""
        fetched = await self._fetcher.document(iri)
        if parse.type_of(fetched.document, parse.NOTE_TYPES) not in parse.NOTE_TYPES:
            raise Refused(Reason.MALFORMED, f"{iri} is no post")
        note = parse.note(fetched.document)
        policy.owns(note, fetched.iri)
        author = (await self._actors.get(note.author)).actor
        outcome = await self._authenticator.proof(fetched.document, note.author)
        pinned = isinstance(outcome, ProofBroken) and await self._actors.has_pinned_identity(note.author)
        facts = Facts(note.author, outcome, from_origin=True, has_pinned_identity=pinned)
        return Original(note, author, policy.judge(facts), fetched)
