"""Likes, emoji reactions, pins, blocks and reports that arrive: each once, each its actor's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from node.federation.handlers.like import EMOJIS_EACH
from node.model import Iri
from node.storage import featured
from tests.support.attack import greet, nothing_changes
from tests.support.following import follows, said, seen
from tests.support.homes import Home
from tests.support.stranger import PUBLIC, Json, Place, Stranger


async def emojis(home: Home, iri: Iri) -> dict[str, int]:
    return dict((await home.node.interactions.counts([iri]))[iri].emojis)


async def pinned(home: Home, who: Stranger) -> list[str]:
    async with home.node.store.read() as tx:
        return [post.note.iri for post in await featured.pinned(tx, Iri(who.iri))]


async def test_a_like_counts_once(alice: Home, carol: Stranger) -> None:
    """security.md §2, like stuffing: "unique (actor, object)"."""
    post = await said(alice, "likeable")
    for _ in range(3):
        assert (await carol.deliver(carol.activity("Like", post.note.iri), alice.base)).status == 202
    assert await seen(alice, post.note.iri) == (1, 0, 0)


async def test_a_like_of_what_is_not_here_is_not_kept(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """Reactions are kept about posts that are here, and an embedded one is nothing but its id."""
    async with nothing_changes(alice, carol):
        for target in (f"{alice.base}/notes/77", "https://b.example/notes/1", dave.note("embedded")):
            assert (await carol.deliver(carol.activity("Like", target), alice.base)).status == 202


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("EmojiReact", {"content": "🎉"}),
        ("Like", {"content": "🎉"}),
        ("Like", {"_misskey_reaction": "🎉"}),
    ],
    ids=["Pleroma", "FEP-c0e0", "Misskey"],
)
async def test_an_emoji_reaction_is_told_from_a_like(
    alice: Home, carol: Stranger, kind: str, how: dict[str, Any]
) -> None:
    """federation.md §7: "EmojiReact or Like+content/_misskey_reaction → reaction"; its Undo takes it back."""
    post = await said(alice, "festive")
    given = carol.activity(kind, post.note.iri, **how)
    await carol.deliver(given, alice.base)
    assert await emojis(alice, post.note.iri) == {"🎉": 1}
    assert await seen(alice, post.note.iri) == (0, 0, 0)
    await carol.deliver(carol.activity("Undo", given), alice.base)
    assert await emojis(alice, post.note.iri) == {}


async def test_nobody_covers_a_post_with_emojis(alice: Home, carol: Stranger) -> None:
    """security.md §2, like stuffing: an account gives a post a few emojis, not a wall of them."""
    post = await said(alice, "a wall")
    for emoji in "🍇🍈🍉🍊🍋🍌🍍🥭":
        await carol.deliver(carol.activity("EmojiReact", post.note.iri, content=emoji), alice.base)
    assert len(await emojis(alice, post.note.iri)) == EMOJIS_EACH


async def test_a_bare_id_undoes_a_like(alice: Home, carol: Stranger) -> None:
    """federation.md §7: "inbound bare ids must work"; and a like that was undone does not come back by a replay."""
    post = await said(alice, "for a while")
    like, now = carol.activity("Like", post.note.iri), datetime.now(UTC)
    await carol.deliver(like, alice.base, at=now)
    assert await seen(alice, post.note.iri) == (1, 0, 0)
    await carol.deliver(carol.activity("Undo", like["id"]), alice.base, at=now)
    assert await seen(alice, post.note.iri) == (0, 0, 0)
    await carol.deliver(like, alice.base, at=now)
    assert await seen(alice, post.note.iri) == (0, 0, 0)


async def test_what_was_taken_back_may_be_done_again_under_the_same_id(alice: Home, carol: Stranger) -> None:
    """snac 2.75 makes the id of a like or boost out of what it is about: the second one is no replay, if signed later.

    PeerTube does, and makes the id of the Undo out of that.

    Requests from before the last Undo stay used up, however often somebody has liked and unliked.
    """
    wrong: list[object] = []
    for kind, dialect, undone in product(("Like", "Announce"), ("cavage", "rfc9421"), ("", "/undo")):
        post = await said(alice, f"on and off: {kind}, {dialect}, {undone}")
        given = carol.activity(kind, post.note.iri, to=[PUBLIC])
        start = datetime.now(UTC) - timedelta(minutes=30)
        counted = (1, 0, 0) if kind == "Like" else (0, 1, 0)
        for minute in (0, 2, 4):
            at = start + timedelta(minutes=minute)
            await carol.deliver(given, alice.base, at=at, dialect=dialect)
            done = await seen(alice, post.note.iri)
            undo = carol.activity("Undo", given, **({"id": f"{given['id']}{undone}"} if undone else {}))
            await carol.deliver(undo, alice.base, at=at + timedelta(minutes=1), dialect=dialect)
            for earlier in range(minute + 2):
                await carol.deliver(given, alice.base, at=start + timedelta(minutes=earlier), dialect=dialect)
            if (found := (done, await seen(alice, post.note.iri))) != (counted, (0, 0, 0)):
                wrong.append((kind, dialect, undone, minute, found))
    assert wrong == []


async def test_an_undo_takes_back_the_one_that_it_names(alice: Home, carol: Stranger) -> None:
    """Pleroma and Fedify: an account may like a post and react to it besides; each has its own way back."""
    wrong: list[object] = []
    for which, whole in product(range(3), (True, False)):  # the like, and two reactions; embedded, and by its id
        post = await said(alice, f"festive and likeable: {which}, {whole}")
        given = [
            carol.activity("Like", post.note.iri),
            carol.activity("EmojiReact", post.note.iri, content="🎉"),
            carol.activity("Like", post.note.iri, content="🍵"),
        ]
        for one in given:
            await carol.deliver(one, alice.base)
        undone = {name: value for name, value in given[which].items() if name != "content"}
        await carol.deliver(carol.activity("Undo", undone if whole else undone["id"]), alice.base)
        left = {"🎉": 1, "🍵": 1}
        left.pop({1: "🎉", 2: "🍵"}.get(which, ""), None)
        found = await seen(alice, post.note.iri), await emojis(alice, post.note.iri)
        if found != ((1 if which else 0, 0, 0), left):
            wrong.append((which, whole, found))
    assert wrong == []


async def test_an_undo_may_come_first(alice: Home, carol: Stranger) -> None:
    """Two deliveries may pass each other: what was undone before it came does not stand."""
    post = await said(alice, "out of order")
    like = carol.activity("Like", post.note.iri)
    await carol.deliver(carol.activity("Undo", like), alice.base)
    await carol.deliver(like, alice.base)
    assert await seen(alice, post.note.iri) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["Like", "Announce"])
async def test_what_comes_after_its_undo_in_one_batch_is_seen_after_it(alice: Home, carol: Stranger, kind: str) -> None:
    """Together or one by one is the same (house.md, batches): undone before it came, it does not stand; done anew
    after it was undone, it does."""
    await greet(alice, carol)
    early, anew = await said(alice, "out of order"), await said(alice, "on and off")
    first, again = (carol.activity(kind, post.note.iri, to=[PUBLIC]) for post in (early, anew))
    start = datetime.now(UTC) - timedelta(minutes=30)
    await carol.deliver(again, alice.base, at=start)
    sent = [(carol.activity("Delete", carol.new_id()), 1), (carol.activity("Undo", first), 2), (first, 1)]
    sent += [(carol.activity("Undo", again), 3), (again, 4)]
    async with alice.node.store.write():  # so that all but the first of these wait for one batch
        replies = []
        for activity, minute in sent:
            at = start + timedelta(minutes=minute)
            replies.append(asyncio.ensure_future(carol.deliver(activity, alice.base, at=at)))
            await asyncio.sleep(0.1)
    assert {reply.status for reply in await asyncio.gather(*replies)} == {202}
    assert await seen(alice, early.note.iri) == (0, 0, 0)
    assert await seen(alice, anew.note.iri) == ((1, 0, 0) if kind == "Like" else (0, 1, 0))


async def test_nobody_undoes_the_like_of_another(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger
) -> None:
    """security.md §2: "Undo.object looked up by id in our DB, stored actor == signer"; a neighbour is not the actor."""
    post = await said(alice, "liked by carol")
    like = carol.activity("Like", post.note.iri)
    await carol.deliver(like, alice.base)
    await greet(alice, dave)
    await greet(alice, mallory)
    named: Json = {"type": "Like", "id": like["id"], "object": post.note.iri}
    await dave.deliver(dave.activity("Undo", like["id"]), alice.base)
    async with nothing_changes(alice, carol):
        await dave.deliver(dave.activity("Undo", named), alice.base)
        assert (await mallory.deliver(mallory.activity("Undo", named), alice.base)).verdict == (403, "wrong_origin")
        assert (await mallory.deliver(mallory.activity("Undo", like), alice.base)).verdict == (403, "wrong_actor")
    assert await seen(alice, post.note.iri) == (1, 0, 0)


async def test_nobody_uses_up_the_id_of_another_server(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """An Undo of an id that is yet to come, by somebody else, must not keep the real one out."""
    await greet(alice, mallory)
    coming = carol.say("still to come", alice.node.ids.actor)
    reply = await mallory.deliver(mallory.activity("Undo", coming["id"]), alice.base)
    assert reply.verdict == (403, "wrong_origin")
    await carol.deliver(coming, alice.base)
    assert await alice.shows("still to come")


async def test_reactions_go_with_what_they_were_about(alice: Home, carol: Stranger) -> None:
    """Nothing is kept of a post that was taken back."""
    post = await said(alice, "short-lived")
    await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
    await alice.node.owner.delete(post.note.iri)
    assert (await alice.rows())["reactions"] == 0


# ── pins ─────────────────────────────────────────────────────────────────────────────────────


async def test_pins_of_others_are_their_own(alice: Home, place: Place) -> None:
    """security.md §2: "target == stored featured URL of the signer; object's author == signer"."""
    erin = place.stranger("erin")
    erin.extra["featured"] = f"{erin.iri}/featured"
    erin.publish()
    fred = place.stranger("fred")
    await follows(alice, erin)
    await follows(alice, fred)
    mine, other = erin.note("pinned"), fred.note("not hers")
    await erin.deliver(erin.create(mine), alice.base)
    await fred.deliver(fred.create(other), alice.base)
    add = {key: value for key, value in erin.activity("Add", mine["id"]).items() if key != "id"}  # as Mastodon does
    async with nothing_changes(alice, fred):
        await erin.deliver({**add, "object": other["id"], "target": f"{erin.iri}/featured"}, alice.base)
        await erin.deliver({**add, "target": f"{erin.iri}/outbox"}, alice.base)
        await fred.deliver(fred.activity("Add", mine["id"], target=f"{erin.iri}/featured"), alice.base)
    await erin.deliver({**add, "target": f"{erin.iri}/featured"}, alice.base)
    assert await pinned(alice, erin) == [mine["id"]]
    await erin.deliver({**add, "type": "Remove", "target": f"{erin.iri}/featured"}, alice.base)
    assert await pinned(alice, erin) == []


# ── blocks and reports ───────────────────────────────────────────────────────────────────────


async def test_a_block_ends_both_directions(alice: Home, carol: Stranger) -> None:
    """federation.md §7: "inbound: drop both follow directions"."""
    await follows(alice, carol)
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    await carol.deliver(carol.create(carol.note("before the quarrel")), alice.base)
    assert await alice.texts()
    assert (await carol.deliver(carol.activity("Block", alice.node.ids.actor), alice.base)).status == 202
    rows = await alice.rows()
    assert (rows["follows"], rows["followers"], rows["home"]) == (0, 0, 0)


async def test_a_report_waits_for_the_owner(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """federation.md §7, Flag: "show to the owner, never publish"; one that is about others is none of ours."""
    post = await said(alice, "controversial")
    about = [alice.node.ids.actor, post.note.iri]
    assert (await carol.deliver(carol.activity("Flag", about, content="rude"), alice.base)).status == 202
    reports = await alice.node.interactions.reports()
    assert [(report.actor, list(report.about), report.comment) for report in reports] == [(carol.iri, about, "rude")]
    async with nothing_changes(alice, dave, but=("refusals",)):
        reply = await carol.deliver(carol.activity("Flag", [dave.iri], content="rude"), alice.base)
        assert reply.verdict == (404, "not_for_us")
