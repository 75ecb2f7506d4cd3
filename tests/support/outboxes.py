"""A stranger's collections: an outbox in pages, answers to a post; and how the owner comes to follow a stranger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from aiohttp import web

from tests.support.homes import Home, eventually
from tests.support.stranger import AP, AS2, PUBLIC, Json, Stranger, stamp


async def follow(home: Home, friend: Stranger) -> None:
    """The owner asks, the stranger says yes."""
    await home.node.owner.follow(friend.handle)

    async def asked() -> Json | None:
        came = [item.json for item in friend.place.of_type("Follow") if item.json["object"] == friend.iri]
        return came[-1] if came else None

    wanted = await eventually(asked)
    assert wanted is not None
    reply = await friend.deliver(friend.activity("Accept", wanted), home.base)
    assert reply.verdict == (202, None)


def written(
    friend: Stranger, count: int, *, newest: datetime | None = None, every: timedelta = timedelta(hours=1)
) -> list[Json]:
    """So many public posts, the newest first, as Create activities; signed if this stranger signs."""
    newest = newest or datetime.now(UTC)
    made = []
    for number in range(count):
        at = newest - number * every
        note = friend.note(
            f"post {count - number} of {friend.name}", cc=[f"{friend.iri}/followers"], published=stamp(at)
        )
        note = friend.prove(note) if friend.proofs else note
        made.append(friend.create(note, published=stamp(at)))
    return made


class Outbox:
    """Serves `items`, newest first, as a collection with pages; with entity tags, and counting what is asked."""

    def __init__(self, friend: Stranger, items: Sequence[object], *, size: int = 20) -> None:
        self.friend = friend
        self.items = list(items)
        self.size = size
        self.pages: list[int] = []
        self.unchanged = 0
        self.status = 200
        self.headers: dict[str, str] = {}
        path = urlsplit(f"{friend.iri}/outbox").path
        friend.place.documents[path] = self.answer

    @property
    def iri(self) -> str:
        return f"{self.friend.iri}/outbox"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers)
        if "page" not in request.query:
            top: Json = {"@context": AS2, "id": self.iri, "type": "OrderedCollection", "totalItems": len(self.items)}
            return served({**top, "first": f"{self.iri}?page=0"})
        number = int(request.query["page"])
        self.pages.append(number)
        tag = f'"{len(self.items)}-{number}"'
        if request.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": tag})
        start = number * self.size
        page: Json = {
            "@context": AS2,
            "id": f"{self.iri}?page={number}",
            "type": "OrderedCollectionPage",
            "partOf": self.iri,
            "orderedItems": self.items[start : start + self.size],
        }
        if start + self.size < len(self.items):
            page["next"] = f"{self.iri}?page={number + 1}"
        return served(page, {"ETag": tag})


def served(document: Json, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=json.dumps(document).encode(), content_type=AP, headers=headers)


def host(friend: Stranger, note: Json, answers: object = None) -> Json:
    """Serve a post at its address, with its answers if they are given."""
    shown = {**note, **({"replies": answers} if answers is not None else {})}
    friend.place.documents[urlsplit(str(note["id"])).path] = shown
    return shown


def reply_to(friend: Stranger, parent: object, content: str) -> Json:
    return friend.note(content, to=[PUBLIC], inReplyTo=parent)
