"""Blocks and mutes, over the wire: at the inbox, in fetches, in every list, and what goes out to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web

from node import app
from node.errors import NotAllowed, NotFound, Refused, StoreError, Unreachable
from node.model import Draft, Visibility
from tests.support.attack import Attack, each_leaves_nothing, greet, nothing_changes
from tests.support.homes import Home, eventually
from tests.support.stranger import AP, Place, Stranger

SPELLED = [
    "https://example.com/users/eve#main-key",
    "https://EXAMPLE.com./users/eve#main-key",
    "https://sub.example.com:8443/users/eve#main-key",
    "https://xn--bcher-kva.example/users/eve#main-key",
    "https://XN--BCHER-KVA.example.:8443/users/eve#main-key",
]


async def test_a_blocked_domain_is_refused_before_anything_is_fetched(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """ "subdomains included; case, punycode, trailing dots and ports do not get around it" """
    await alice.node.moderation.block("Example.COM.")
    await alice.node.moderation.block("bücher.example")

    def attack(key_id: str) -> Attack:
        said = mallory.say("hello", alice.node.ids.actor)
        return key_id, lambda: mallory.deliver(said, alice.base, key_id=key_id), (403, "blocked")

    await each_leaves_nothing(alice, carol, map(attack, SPELLED))


async def test_a_blocked_account_is_refused_and_its_neighbour_is_not(alice: Home, place: Place) -> None:
    """A block of one account is one account's."""
    eve, carol = place.stranger("eve"), place.stranger("carol")
    await greet(alice, eve)
    await alice.node.moderation.block(eve.handle)
    async with nothing_changes(alice, carol):
        assert (await eve.deliver(eve.say("hello", alice.node.ids.actor), alice.base)).verdict == (403, "blocked")
        follow = eve.activity("Follow", alice.node.ids.actor)
        assert (await eve.deliver(follow, alice.base)).verdict == (403, "blocked")


async def test_a_blocked_author_is_not_heard_through_others(alice: Home, dave: Stranger, mallory: Stranger) -> None:
    """ "boosts by others, threads": a proof does not help, whoever brings it."""
    await greet(alice, mallory)
    await alice.node.moderation.block(mallory.iri)
    said = mallory.create(mallory.prove(mallory.note("smuggled", to=[alice.node.ids.actor])))
    async with nothing_changes(alice, dave):
        reply = await dave.deliver(mallory.prove(said), alice.base)
        assert reply.verdict == (403, "blocked")


def _redirect(target: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    return answer


async def test_nothing_is_fetched_from_a_blocked_server_or_of_a_blocked_author(
    alice: Home, place: Place, mallory: Stranger
) -> None:
    """ "Blocks … hold everywhere: inbox, fetches" """
    carol = place.stranger("carol")
    await alice.node.moderation.block(f"127.0.0.1:{mallory.place.port}")
    before = dict(mallory.place.asked)
    for asked in (mallory.iri, f"{mallory.place.base}/notes/1"):
        with pytest.raises(Refused, match="blocked"):
            await alice.node.fetcher.document(asked)
    with pytest.raises(Refused, match="blocked"):
        await alice.node.actors.resolve(mallory.handle)
    assert dict(mallory.place.asked) == before
    # Nor by a way round, nor back to ourselves:
    for target, error in ((mallory.iri, Refused), (alice.node.ids.actor, Unreachable)):
        place.documents["/way/round"] = _redirect(target)
        with pytest.raises(error):
            await alice.node.fetcher.document(f"{place.base}/way/round")
    assert dict(mallory.place.asked) == before
    # On a server that is not blocked, an account that is:
    await greet(alice, carol)
    await alice.node.moderation.block(carol.handle)
    note = carol.note("hello")
    place.documents[str(note["id"]).removeprefix(place.base)] = note
    with pytest.raises(Refused, match="blocked"):
        await alice.node.fetcher.document(str(note["id"]))


@pytest.mark.parametrize("how", ["redirect", "subject", "redirect home"])
async def test_no_name_leads_to_a_blocked_server(alice: Home, place: Place, mallory: Stranger, how: str) -> None:
    """RFC 7033 §4.2 lets WebFinger redirect, and its subject be another; the blocked are not asked all the same."""
    place.stranger("carol")
    there = f"/.well-known/webfinger?resource=acct:mallory@127.0.0.1:{mallory.place.port}"
    await alice.node.moderation.block(f"127.0.0.1:{mallory.place.port}")
    if how == "subject":

        async def jrd(_: web.Request) -> web.StreamResponse:
            return web.json_response({"subject": f"acct:mallory@127.0.0.1:{mallory.place.port}", "links": []})

        place.documents["/.well-known/webfinger"] = jrd
    else:
        to = mallory.place.base if how == "redirect" else alice.base
        place.documents["/.well-known/webfinger"] = _redirect(to + there)
    before = dict(mallory.place.asked)
    with pytest.raises(Unreachable if how == "redirect home" else Refused):
        await alice.node.actors.resolve(f"@carol@127.0.0.1:{place.port}")
    assert dict(mallory.place.asked) == before


async def test_what_they_wrote_is_shown_nowhere_until_unblocked(alice: Home, carol: Stranger) -> None:
    """ "threads, notifications": what was there before the block is hidden by it, and comes back after it."""
    mine = (await alice.node.owner.post(Draft("What do you think?"))).post
    answer = carol.note("rubbish", cc=[alice.node.ids.actor], inReplyTo=mine.note.iri)
    assert (await carol.deliver(carol.create(answer), alice.base)).status == 202
    page = alice.node.ids.note_page(mine.id)

    async def seen() -> tuple[bool, bool, bool]:
        html = await carol.get(page, signed=False, accept="text/html")
        replies = await carol.get(alice.node.ids.replies(mine.note.iri) + "?page=true", signed=False)
        return b"rubbish" in html.body, str(answer["id"]).encode() in replies.body, bool(await alice.said_to_me())

    assert await seen() == (True, True, True)
    await alice.node.moderation.block(carol.handle)
    assert await seen() == (False, False, False)
    await alice.node.moderation.unblock(carol.handle)
    assert await seen() == (True, True, True)
    await greet(alice, carol)


async def test_a_block_ends_following_both_ways(alice: Home, carol: Stranger) -> None:
    """Their Follow is refused, ours undone; their server is told that they are blocked (test_report.py)."""
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    await alice.node.owner.follow(carol.handle)
    await alice.quiet()
    await alice.node.moderation.block(carol.handle)
    await alice.quiet()
    assert [len(carol.place.of_type(kind)) for kind in ("Reject", "Undo", "Block")] == [1, 1, 1]
    assert await alice.node.owner.followers() == []
    assert await alice.node.owner.following() == []
    await alice.node.owner.post(Draft("Not for carol"))
    await alice.quiet()
    assert carol.place.of_type("Create") == []


async def test_a_follow_that_a_block_overtakes_binds_nobody(alice: Home, carol: Stranger) -> None:
    """ "block": it is decided when it is written, not when it came. Else who asks at that moment, or just after the
    command line wrote the block, would follow on, and read what is for followers."""
    await greet(alice, carol)
    async with alice.node.store.write():  # somebody writes: both have to wait, the block first
        blocking = asyncio.ensure_future(alice.node.moderation.block(carol.iri))
        await asyncio.sleep(0.2)
        follow = carol.activity("Follow", alice.node.ids.actor)
        asking = asyncio.ensure_future(carol.deliver(follow, alice.base))
        await asyncio.sleep(0.2)
    await blocking
    assert (await asking).status == 202
    assert await alice.node.owner.followers() == []
    await alice.node.owner.post(Draft("for friends", visibility=Visibility.FOLLOWERS))
    await alice.quiet()
    assert [item.json["type"] for item in carol.place.received] == ["Block"]


async def test_a_block_by_the_command_line_is_noticed_after_a_look_that_failed(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node looks four times a second for what others wrote. When the database fails once, what is written until
    the next look counts all the same."""
    await greet(alice, carol)
    look = alice.node.store.foreign_changes
    failed = asyncio.Event()

    async def fails() -> int:
        if failed.is_set():
            return await look()
        failed.set()
        raise StoreError("the disk gave an error")

    async with app.opened(alice.settings, clock=alice.clock) as beside:
        monkeypatch.setattr(alice.node.store, "foreign_changes", fails)
        await asyncio.wait_for(failed.wait(), 5)
        await beside.moderation.block(carol.iri)

    async def refused() -> bool:
        said = carol.say("hello", alice.node.ids.actor)
        return (await carol.deliver(said, alice.base)).verdict == (403, "blocked")

    await eventually(refused, within=4)


async def test_nothing_goes_out_to_the_blocked(alice: Home, carol: Stranger) -> None:
    """Not by being named, and not by a follow, until the block is taken back. Only the Block itself."""
    await greet(alice, carol)
    await alice.node.moderation.block(carol.handle)
    await alice.node.owner.post(Draft(f"I do not speak to {carol.iri}, nor to {carol.handle}"))
    with pytest.raises(NotAllowed, match="you block"):
        await alice.node.owner.follow(carol.handle)
    await alice.quiet()
    assert [item.json["type"] for item in carol.place.received] == ["Block"]
    await alice.node.moderation.unblock(carol.handle)
    await alice.node.owner.follow(carol.handle)
    await alice.quiet()
    assert len(carol.place.of_type("Follow")) == 1


async def test_a_blocked_reader_is_nobody(alice: Home, carol: Stranger) -> None:
    """security.md §9: "block applies to signed GET as well" """
    await greet(alice, carol)
    private = (await alice.node.owner.post(Draft(f"psst {carol.handle}", visibility=Visibility.DIRECT))).post
    assert (await carol.get(private.note.iri)).status == 200
    await alice.node.moderation.block(carol.handle)
    assert (await carol.get(private.note.iri)).verdict == (403, "blocked")
    assert (await carol.get(private.note.iri, signed=False)).status == 404


async def test_a_blocked_reader_is_nobody_under_a_key_with_its_own_address_too(alice: Home, carol: Stranger) -> None:
    """security.md §2: whoever owns the key signs, wherever the key is."""
    key_id = f"{carol.place.base}/keys/1"
    carol.extra = {"publicKey": {"id": key_id, "owner": carol.iri, "publicKeyPem": carol.rsa.public.pem}}
    carol.publish()
    carol.place.documents["/keys/1"] = {"id": key_id, "type": "Key", "owner": carol.iri}
    await greet(alice, carol, key_id=key_id)
    private = (await alice.node.owner.post(Draft(f"psst {carol.handle}", visibility=Visibility.DIRECT))).post

    async def read() -> int:
        url = private.note.iri
        how = [("Accept", AP), *carol.signed("GET", url, b"", covered="(request-target) host date", key_id=key_id)]
        return (await carol.send("GET", url, how, None)).status

    assert await read() == 200
    await alice.node.moderation.block(carol.iri)
    assert await read() == 404


async def test_a_list_blocks_those_not_met_yet(alice: Home, place: Place, carol: Stranger) -> None:
    """No server is asked for a list; who is on it is recognised at the door."""
    eve = place.stranger("eve")
    asked = sum(place.asked.values())
    done = await alice.node.moderation.import_blocks(f"Account address\n{eve.handle}\nbad.example\n")
    assert (done.accounts, done.domains, done.skipped) == (1, 1, ())
    assert sum(place.asked.values()) == asked
    for _ in range(2):
        assert (await eve.deliver(eve.say("hello", alice.node.ids.actor), alice.base)).verdict == (403, "blocked")
    assert await alice.said_to_me() == []
    await alice.node.moderation.unblock(eve.handle)
    await greet(alice, carol)
    await greet(alice, eve)


async def test_the_owner_is_not_blocked_by_mistake(alice: Home) -> None:
    """Nobody blocks themselves; a list that names us leaves us out."""
    with pytest.raises(NotAllowed, match="that is you"):
        await alice.node.moderation.block(alice.node.ids.host)
    done = await alice.node.moderation.import_blocks(f"{alice.address}\n{alice.node.ids.host}\n")
    assert (done.accounts, done.domains) == (0, 0)
    with pytest.raises(NotFound, match="not blocked"):
        await alice.node.moderation.unblock("example.com")


async def test_a_mute_ends_when_it_says(alice: Home, carol: Stranger) -> None:
    """`cuicui mute --for 7d`: out of sight for a week, still followed, then back with all that was said."""
    await alice.node.owner.follow(carol.handle)
    await alice.quiet()
    follow = carol.place.of_type("Follow")[0].json
    await carol.deliver(carol.activity("Accept", follow), alice.base)
    await alice.node.moderation.mute(carol.handle, timedelta(days=7))
    await carol.deliver(carol.create(carol.note("muffled")), alice.base)
    assert await alice.texts() == []
    assert [item.actor for item in await alice.node.moderation.muted()] == [carol.iri]
    alice.clock.forward(timedelta(days=8))
    assert await alice.texts() == ["<p>muffled</p>"]
    assert await alice.node.moderation.muted() == []
