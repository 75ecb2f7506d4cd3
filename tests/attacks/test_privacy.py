"""What was not for everybody is not to be had by anybody else, whatever they ask (security.md §9)."""

from __future__ import annotations

import re
from collections import deque
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest

from node.model import Draft, Visibility
from tests.support.attack import greet
from tests.support.following import befriend
from tests.support.homes import Home, eventually
from tests.support.stranger import AP, Reply, Stranger

PUBLIC_WORD, SECRETS = "marmalade", ("quince", "medlar", "sloeberry", "rowanberry", "bilberry")

KNOWN = (
    *("/", "/actor", "/server-actor", "/outbox", "/outbox?page=true", "/followers", "/following", "/featured"),
    *("/nodeinfo/2.1", "/.well-known/webfinger?resource=acct:alice", "/@alice", "/@alice.json", "/tags/secret"),
    *("/api/v1/timelines/public", "/api/v1/timelines/public?local=true", "/api/v1/timelines/home"),
    *("/api/v1/timelines/tag/secret", "/api/v1/notifications", "/api/v1/conversations", "/api/v1/bookmarks"),
    *("/api/v1/accounts/lookup?acct=alice", "/api/v2/search?q=quince&type=statuses", "/api/v2/search?q=bilberry"),
    *("/api/v1/instance", "/api/v2/instance", "/api/v1/favourites", "/inbox"),
)
LINK = re.compile(r'https?://[^\s"\'<>\\]+|(?:href|src)="([^"]+)"')


async def _crawl(who: Stranger, home: Home, begin: list[str], *, signed: bool) -> dict[str, str]:
    """Everything on the node that can be reached from these addresses, as page and as document."""
    waiting = deque(urljoin(home.base, one) for one in begin)
    seen: dict[str, str] = {}
    asked: set[str] = set()
    while waiting and len(asked) < 400:
        url = waiting.popleft().partition("#")[0]
        if url in asked or urlsplit(url).netloc != urlsplit(home.base).netloc:
            continue
        asked.add(url)
        for accept in (AP, "text/html", "application/json"):
            reply = await who.get(url, accept=accept, signed=signed)
            assert reply.status < 500 or reply.status == 503, url
            text = unescape(reply.body.decode(errors="replace"))
            seen[f"{accept} {url}"] = text if reply.status < 400 else ""
            for match in LINK.finditer(text):
                waiting.append(urljoin(url, match[1] or match[0]))
    return seen


@pytest.mark.parametrize("signed", [False, True])
async def test_nobody_finds_what_was_not_for_them(
    alice: Home, bob: Home, carol: Stranger, dave: Stranger, signed: bool
) -> None:
    """ "Followers-only and direct posts are not to be had by object URL, outbox, replies, page, context or search":
    by nobody, and by nobody who signs, on any address that there is, or that is guessed."""
    await greet(alice, carol)
    await befriend(bob, alice)
    owner = alice.node.owner
    root = (await owner.post(Draft(f"{PUBLIC_WORD} for everybody #secret"))).post
    posts = [
        (await owner.post(Draft("quince for followers #secret", visibility=Visibility.FOLLOWERS))).post,
        (await owner.post(Draft(f"{bob.address} medlar for bob", visibility=Visibility.DIRECT))).post,
        (
            await owner.post(
                Draft(f"{bob.address} sloeberry as an answer", visibility=Visibility.DIRECT, in_reply_to=root.note.iri)
            )
        ).post,
    ]
    await owner.edit(posts[0].note.iri, "quince, edited #secret")
    for word, to in (("rowanberry", [alice.node.ids.actor]), ("bilberry", [alice.node.ids.actor, carol.iri])):
        note = carol.note(f"{word} between us", to=to, inReplyTo=root.note.iri)
        assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    await alice.quiet()

    guesses = [*KNOWN]
    for post in (root, *posts):
        page, number = str(post.note.url), post.note.iri.rpartition("/")[2]
        guesses += [post.note.iri, f"{post.note.iri}/replies", f"{post.note.iri}/replies?page=true", page]
        guesses += [f"{page}.json", f"{post.note.iri}/activity", f"{post.note.iri}/likes", f"{post.note.iri}/shares"]
        guesses += [f"/api/v1/statuses/{number}{more}" for more in ("", "/context", "/history", "/source")]
        guesses += [f"/api/cuicui/v1/statuses/{number}/evidence"]
        if post.note.context:
            guesses += [post.note.context, f"{post.note.context}?page=true"]
    async with alice.node.store.read() as tx:
        from sqlalchemy import select

        from node.storage.schema import activities

        guesses += [row.iri for row in (await tx.execute(select(activities.c.iri))).all()]

    found = await _crawl(dave, alice, guesses, signed=signed)
    assert any(PUBLIC_WORD in text for address, text in found.items() if address.startswith("text/html"))
    assert any(PUBLIC_WORD in text for address, text in found.items() if address.startswith(AP))
    for secret in SECRETS:
        told = [address for address, text in found.items() if secret in text and secret not in address]
        assert told == [], (secret, told)
    # And those whom they are for have them.
    for word in ("quince", "medlar", "sloeberry"):
        await eventually(lambda word=word: bob.shows(word))  # type: ignore[misc]
    await greet(alice, carol)


@pytest.mark.parametrize("who", ["nobody", "a stranger", "another follower"])
async def test_a_private_post_answers_like_one_that_never_was(
    alice: Home, carol: Stranger, dave: Stranger, who: str
) -> None:
    """security.md §9: "private = 404 (same as absent: … existence oracle)": status, words and headers alike."""
    await greet(alice, carol)
    await dave.deliver(dave.activity("Follow", alice.node.ids.actor), alice.base)
    private = (await alice.node.owner.post(Draft(f"{carol.handle} only you", visibility=Visibility.DIRECT))).post
    there = private.note.iri
    absent = there[:-3] + ("111" if there[-3:] != "111" else "112")
    asks = {"nobody": (carol, False), "a stranger": (dave, True), "another follower": (dave, True)}[who]
    for accept in (AP, "text/html", "application/json"):
        for more in ("", "/replies"):
            one = await asks[0].get(there + more, accept=accept, signed=asks[1])
            other = await asks[0].get(absent + more, accept=accept, signed=asks[1])
            assert (one.status, one.body.replace(there.encode(), b"")) == (
                other.status,
                other.body.replace(absent.encode(), b""),
            ), (accept, more)
            assert one.status in ((404,) if accept == AP else (303, 404))  # a browser is sent on, wherever that leads
            assert _told(one, there) == _told(other, absent)
    page = str(private.note.url)
    assert (await asks[0].get(page, accept="text/html", signed=asks[1])).status == 404
    assert (await carol.get(there)).status == 200
    await greet(alice, carol)


def _told(reply: Reply, iri: str) -> dict[str, str]:
    """The headers, with the number of the post left out, and what is different each time."""
    number = iri.rpartition("/")[2]
    ignored = ("date", "content-length", "x-request-id")
    return {name: value.replace(number, "") for name, value in reply.headers.items() if name.lower() not in ignored}
