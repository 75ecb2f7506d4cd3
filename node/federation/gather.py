"""Items of other people's collections → posts with verdicts: what a page may say, and what must be fetched instead."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from keys.canonical import JsonValue
from node.errors import Malformed, Refused
from node.federation import parse, policy, spans
from node.federation.actors import Actors
from node.federation.authenticate import Authenticator, Outcome
from node.federation.fetch import Paged
from node.federation.handlers.fetched import Boost, Found
from node.federation.originals import Originals
from node.federation.policy import Facts, ProofBroken
from node.ids import Ids
from node.model import Authorship, Create, Iri, origin_of
from node.observe import count

log = logging.getLogger("cuicui.backfill")

Entry = Found | Boost | Iri
"""A post that the page may speak for; a boost; or the id of a post, to be fetched from its own origin."""


class Gatherer:
    """Believes of a page what its origin may say: the posts of its own people. The rest are ids."""

    def __init__(self, originals: Originals, actors: Actors, authenticator: Authenticator, *, ids: Ids) -> None:
        self._originals = originals
        self._actors = actors
        self._authenticator = authenticator
        self._ids = ids

    async def outbox(self, page: Paged, author: Iri) -> list[Entry]:
        """What an outbox says its owner did, in the order of the page; what others wrote is left out."""
        found: list[Entry] = []
        for item, raw in with_bytes(page):
            try:
                entry = await self._by(item, raw, page.url, author)
            except Refused as refused:
                count("fetched.refused")
                log.info("fetched post refused", extra={"from": page.url, "why": refused.message})
                continue
            if entry is not None:
                found.append(entry)
        return found

    async def _by(self, item: JsonValue, raw: bytes, url: str, author: Iri) -> Entry | None:
        here = origin_of(url) == origin_of(author)
        if isinstance(item, str):
            return self._reference(item, author)
        if not isinstance(item, dict):
            return None
        kind = parse.type_of(item, ("Create", "Announce", *parse.NOTE_TYPES))
        if kind == "Announce":
            return self._boost(item, author) if here else None
        if kind == "Create" and not here:
            return self._reference(parse.iri_of(item.get("object")), author)
        if kind == "Create":
            return await self._created(item, raw, url, author)
        if kind not in parse.NOTE_TYPES:
            return None
        return await self.post(item, raw, url, author) if here else self._reference(parse.id_of(item), author)

    def _reference(self, written: str, author: Iri) -> Iri | None:
        iri = parse.iri(written)
        return iri if origin_of(iri) == origin_of(author) else None

    def _boost(self, item: Mapping[str, JsonValue], author: Iri) -> Boost | None:
        iri, actor = parse.iri(item.get("id")), parse.iri_of(item.get("actor"))
        if actor != author or origin_of(iri) != origin_of(author):
            return None
        return Boost(iri, actor, parse.iri_of(item.get("object")), parse.date(item.get("published")))

    async def _created(self, item: dict[str, JsonValue], raw: bytes, url: str, author: Iri) -> Entry | None:
        inner = item.get("object")
        if isinstance(inner, str):
            return self._reference(inner, author)
        activity = parse.activity(item)
        if not isinstance(activity, Create) or not isinstance(inner, dict) or activity.actor != author:
            return None
        policy.admit(activity, author, ids=self._ids)
        whole = await self._authenticator.proof(item, author)
        outcome = await self._authenticator.proof(inner, author)
        if isinstance(whole, ProofBroken) and not isinstance(outcome, ProofBroken):
            _judge(author, whole)  # a broken proof counts, on whichever of the two it is
        return Found(activity.note, _judge(author, outcome or whole), raw, url, "Create")

    async def post(self, item: dict[str, JsonValue], raw: bytes, url: str, author: Iri | None = None) -> Found | None:
        """An embedded post, if this page may speak for it; by this author, or else by one we know. Raises Refused."""
        note = parse.note(item)
        if self._ids.is_ours(note.iri) or (author is not None and note.author != author):
            return None
        if author is None and await self._actors.known(note.author) is None:
            return None
        policy.owns(note, url)
        return Found(note, _judge(note.author, await self._authenticator.proof(item, note.author)), raw, url, note.type)

    async def is_gone(self, iri: Iri) -> bool:
        """Whether its origin says that a post is no more."""
        return await self._originals.is_gone(iri)

    async def fetch(self, iri: Iri) -> tuple[Found, dict[str, JsonValue]]:
        """A post from its own origin, and its document. Raises Unreachable, Refused."""
        original = await self._originals.get(iri)
        fetched = original.fetched
        found = Found(original.note, original.authorship, fetched.body, fetched.iri, original.note.type)
        return found, fetched.document


def _judge(author: Iri, outcome: Outcome) -> Authorship:
    """As what was fetched from its origin: a proof that is there and broken refuses it (decisions.md §19)."""
    return policy.judge(Facts(author, outcome, from_origin=True))


def items(page: Paged) -> list[JsonValue]:
    return list(parse.collection_page(page.document).items)


def with_bytes(page: Paged) -> list[tuple[JsonValue, bytes]]:
    """The items, each with its bytes as they came."""
    read, raw = items(page), spans.items(page.body)
    if len(raw) < len(read):
        raise Malformed("a collection whose items cannot be told apart")
    return list(zip(read, raw, strict=False))
