"""Who may read: signed requests of those it is for, strict mode, blocked readers, and what is left of who left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from node import leaving
from node.errors import NotAllowed
from node.federation.guard import KEY_KEPT
from node.model import Draft, Post, Visibility
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.following import arrives, befriend
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import Place, Stranger


async def followed_by(home: Home, who: Stranger) -> None:
    assert (await who.deliver(who.activity("Follow", home.node.ids.actor), home.base)).status == 202
    await home.quiet()


@pytest.fixture
async def strict(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    """A node that answers signed requests only."""
    home = await settle_in(tmp_path, "sigrid", clock=clock, authorized_fetch=True)
    try:
        yield await home.start()
    finally:
        await home.stop()


# ── what is not for everybody ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["", "/activity", "/replies"])
async def test_a_post_for_few_is_given_to_them_alone(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger, path: str
) -> None:
    """federation.md §11: "followers-only objects (signer must be in audience, else 404)"."""
    await followed_by(alice, carol)
    await greet(alice, mallory)
    for_followers = (await alice.node.owner.post(Draft("f", visibility=Visibility.FOLLOWERS))).post
    direct = (await alice.node.owner.post(Draft(f"d {dave.handle}", visibility=Visibility.DIRECT))).post
    table: list[tuple[Post, Stranger, bool, int]] = [
        (for_followers, carol, True, 200),
        (for_followers, carol, False, 404),
        (for_followers, dave, True, 404),
        (for_followers, mallory, True, 404),
        (direct, dave, True, 200),
        (direct, carol, True, 404),
        (direct, mallory, True, 404),
    ]
    for post, who, signed, want in table:
        reply = await who.get(post.note.iri + path, signed=signed)
        assert reply.status == want, (post.visibility, who.name, signed)
        assert reply.headers["Cache-Control"] == "private, no-store"
    outbox = (await carol.get(f"{alice.base}/outbox?page=true")).body
    assert for_followers.note.iri.encode() not in outbox


async def test_who_is_blocked_reads_nothing_under_their_name(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """security.md §9, blocked readers: "block applies to signed GET as well"."""
    post = (await alice.node.owner.post(Draft("for all"))).post
    await greet(alice, carol)
    await alice.node.moderation.block(carol.iri)
    for path in (post.note.iri, f"{alice.base}/outbox", f"{alice.base}/followers", f"{post.note.iri}/replies"):
        assert (await carol.get(path)).verdict == (403, "blocked")
        assert (await carol.get(path, signed=False)).status == 200  # nobody can tell who that is
        assert (await dave.get(path)).status == 200


# ── strict mode ──────────────────────────────────────────────────────────────────────────────


async def test_strict_mode_answers_those_who_sign(strict: Home, carol: Stranger, mallory: Stranger) -> None:
    """README, `authorized_fetch`: profile, posts and lists are given to signed requests alone."""
    post = (await strict.node.owner.post(Draft("for all, who say who they are"))).post
    note = post.note.iri
    paths = [note, f"{note}/activity", f"{note}/replies", str(post.note.context)]
    paths += [f"{strict.base}/{name}" for name in ("outbox", "outbox?page=true", "followers", "following", "featured")]
    await greet(strict, mallory)
    await strict.node.moderation.block(mallory.iri)
    for path in paths:
        refusal = await carol.get(path, signed=False)
        assert refusal.verdict == (401, "unsigned"), path
        reply = await carol.get(path)
        assert reply.status == 200, path
        for one in (refusal, reply):
            assert one.headers["Cache-Control"] == "private, no-store"
            assert one.headers["Vary"] == "Accept, Signature, Signature-Input"
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert (await mallory.get(path)).verdict == (403, "blocked")
    assert (await carol.get(note, signed=False, accept="text/html")).status == 303


async def test_strict_mode_shows_its_keys_to_everybody(strict: Home, carol: Stranger, mallory: Stranger) -> None:
    """federation.md §4: two servers that each want the other's key first must not wait for each other for ever."""
    await greet(strict, mallory)
    await strict.node.moderation.block(mallory.iri)
    whole = json.loads((await carol.get(strict.node.ids.actor)).body)
    for reply in (await carol.get(strict.node.ids.actor, signed=False), await mallory.get(strict.node.ids.actor)):
        stub = json.loads(reply.body)
        assert reply.status == 200
        assert stub["publicKey"] == whole["publicKey"]
        assert stub["assertionMethod"] == whole["assertionMethod"]
        assert "name" in whole
        assert not {"name", "summary", "attachment", "icon", "published", "url"} & set(stub)
    assert (await carol.get(strict.node.ids.server_actor, signed=False)).status == 200
    webfinger = f"{strict.base}/.well-known/webfinger?resource={strict.node.ids.actor}"
    assert (await carol.get(webfinger, signed=False)).status == 200


async def test_two_strict_nodes_get_to_know_each_other(strict: Home, tmp_path: Path, clock: FakeClock) -> None:
    """They meet, follow, and read each other's posts."""
    other = await settle_in(tmp_path, "sven", clock=clock, authorized_fetch=True)
    try:
        await other.start()
        before = (await strict.node.owner.post(Draft("written before"))).post
        await befriend(other, strict)
        await arrives(other, "written before")
        await strict.node.owner.post(Draft("written after"))
        found = await arrives(other, "written after")
        assert found.author.name
        assert found.authorship.verdict == "signed"
        assert (await other.node.reading.open_thread(before.note.iri)).post.note.iri == before.note.iri
    finally:
        await other.stop()


# ── leaving ──────────────────────────────────────────────────────────────────────────────────


async def test_who_leaves_tells_everybody_and_is_gone(
    alice: Home, carol: Stranger, mallory: Stranger, clock: FakeClock
) -> None:
    """federation.md §12: Delete to every known inbox; the keys stay for some weeks, then 410."""
    await followed_by(alice, carol)
    await greet(alice, mallory)  # known, and nobody's follower
    post = (await alice.node.owner.post(Draft("I was here"))).post
    await alice.quiet()
    assert await leaving.leave(alice.node) == 2
    await alice.quiet()
    for place in (carol.place, mallory.place):
        gone = place.of_type("Delete")[0].json
        assert (gone["actor"], gone["object"]) == (alice.node.ids.actor, alice.node.ids.actor)
        assert "proof" in gone
    webfinger = f"{alice.base}/.well-known/webfinger?resource={alice.node.ids.actor}"
    for path in (post.note.iri, f"{alice.base}/outbox", webfinger, f"{alice.base}/@alice", f"{alice.base}/"):
        assert (await carol.get(path)).verdict == (410, "gone"), path
    assert (await carol.deliver(carol.say("still there?", alice.node.ids.actor), alice.base)).verdict == (410, "gone")
    assert "publicKey" in json.loads((await carol.get(alice.node.ids.actor)).body)
    clock.forward(KEY_KEPT + timedelta(seconds=1))
    assert (await carol.get(alice.node.ids.actor)).verdict == (410, "gone")
    with pytest.raises(NotAllowed):
        await leaving.leave(alice.node)
    with pytest.raises(NotAllowed):
        await alice.node.owner.post(Draft("one more"))
    await alice.restart()
    assert (await carol.get(post.note.iri)).verdict == (410, "gone")


async def test_a_node_of_ours_forgets_who_left(alice: Home, bob: Home) -> None:
    """Delete of an actor: their posts, boosts, likes and follows go; what is known of their key stays as evidence."""
    await befriend(bob, alice)
    await befriend(alice, bob)
    await alice.node.owner.post(Draft("soon forgotten"))
    await arrives(bob, "soon forgotten")
    await leaving.leave(alice.node)

    async def forgotten() -> bool:
        return not await bob.node.owner.followers() and not await bob.node.owner.following()

    await eventually(forgotten)
    assert await bob.shows("soon forgotten") is None
    assert await bob.node.actors.stored_keys(alice.node.ids.main_key)
    await asyncio.sleep(0)


async def test_the_place_of_strangers_is_told_once(alice: Home, place: Place) -> None:
    """Shared inboxes are folded: one Delete for a server, however many live there."""
    for name in ("one", "two", "three"):
        await greet(alice, place.stranger(name, shared_inbox=True))
    assert await leaving.leave(alice.node) == 1
    await alice.quiet()
    assert [item.path for item in place.of_type("Delete")] == ["/inbox"]
