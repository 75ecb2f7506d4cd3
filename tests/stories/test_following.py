"""Follow and be followed: Follow, Accept, Reject, Undo both ways, in every order, across restarts."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from node.errors import Unreachable
from node.model import Draft, Iri, Visibility
from node.storage import actors as stored
from node.storage.relations import State
from tests.support.attack import greet, nothing_changes
from tests.support.homes import Home, eventually
from tests.support.stranger import Json, Place, Stranger


async def _state(home: Home, who: str) -> State | None:
    return next((one.state for one in await home.node.owner.following() if one.actor == who), None)


async def _is_follower(home: Home, who: Iri) -> bool:
    return who in [one.actor for one in await home.node.owner.followers()]


async def befriend(follower: Home, followed: Home) -> None:
    """`follower` follows `followed`, and it is agreed."""
    await follower.node.owner.follow(followed.address)

    async def agreed() -> bool:
        return await _state(follower, followed.node.ids.actor) is State.ACCEPTED

    await eventually(agreed)


async def asked_by(home: Home, stranger: Stranger) -> Json:
    """The owner asks to follow a stranger; the Follow as it arrived there."""
    await home.node.owner.follow(stranger.iri)

    async def came() -> bool:
        return bool(stranger.place.of_type("Follow"))

    await eventually(came)
    return stranger.place.of_type("Follow")[-1].json


async def test_two_nodes_follow_each_other_post_answer_and_delete(alice: Home, bob: Home) -> None:
    """The whole way: follow by handle, post, reply, delete; every post signed."""
    await befriend(bob, alice)
    assert await _is_follower(alice, bob.node.ids.actor)
    posted = await alice.node.owner.post(Draft("good evening"))
    post = await eventually(lambda: bob.shows("good evening"))
    assert post is not None
    assert post.authorship.verdict == "signed"
    answer = await bob.node.owner.post(Draft("and to you", in_reply_to=post.note.iri))
    heard = await eventually(lambda: alice.shows("and to you"))
    assert heard is not None
    assert (heard.note.in_reply_to, heard.authorship.verdict) == (posted.post.note.iri, "signed")
    assert heard.note.iri == answer.post.note.iri
    await alice.node.owner.delete(posted.post.note.iri)

    async def forgotten() -> bool:
        return await bob.shows("good evening") is None

    await eventually(forgotten)


async def test_what_is_agreed_survives_a_restart_of_either_side(alice: Home, bob: Home) -> None:
    """State survives a restart at any point of the exchange."""
    await alice.stop()
    with pytest.raises(Unreachable):
        await bob.node.owner.follow(alice.address)
    await alice.start()
    await befriend(bob, alice)
    await bob.restart()
    await alice.restart()
    assert await _state(bob, alice.node.ids.actor) is State.ACCEPTED
    await alice.node.owner.post(Draft("after the night"))
    assert await eventually(lambda: bob.shows("after the night"))


async def test_a_follow_is_remembered_while_the_owner_makes_up_their_mind(alice: Home, bob: Home) -> None:
    """Approved by hand: pending on both sides, through restarts, until the word is given."""
    await alice.node.owner.change_profile(approves_followers=True)
    await bob.node.owner.follow(alice.address)

    async def requests() -> int:
        return len(await alice.node.owner.followers(requests=True))

    await eventually(requests)
    await alice.restart()
    await bob.restart()
    assert await requests() == 1
    assert not await _is_follower(alice, bob.node.ids.actor)
    assert await _state(bob, alice.node.ids.actor) is State.PENDING
    await alice.node.owner.accept(bob.node.ids.actor)

    async def agreed() -> bool:
        return await _state(bob, alice.node.ids.actor) is State.ACCEPTED

    await eventually(agreed)


async def test_who_still_waits_is_no_follower(alice: Home, carol: Stranger) -> None:
    """Approved by hand: until the word is given nothing for followers is sent to them, shown to them or says so;
    asking again is no way round it."""
    await alice.node.owner.change_profile(approves_followers=True)
    first, second = (carol.activity("Follow", alice.node.ids.actor) for _ in range(2))
    for follow in (first, first, second):
        assert (await carol.deliver(follow, alice.base)).status == 202
    await greet(alice, carol)
    posted = await alice.node.owner.post(Draft("among ourselves", Visibility.FOLLOWERS))
    assert posted.inboxes == 0
    await alice.quiet()
    assert not carol.place.received
    assert (await carol.get(posted.post.note.iri)).status == 404
    for path in ("/followers", "/followers?page=true", "/followers_synchronization"):
        shown = json.loads((await carol.get(f"{alice.base}{path}")).body)
        assert (shown.get("totalItems", 0), shown.get("orderedItems", [])) == (0, []), path

    await alice.node.owner.accept(carol.iri)
    await alice.quiet()
    assert [item.json["type"] for item in carol.place.received] == ["Accept"]
    assert (await carol.get(posted.post.note.iri)).status == 200
    assert json.loads((await carol.get(f"{alice.base}/followers?page=true")).body)["orderedItems"] == [carol.iri]


async def test_whom_the_owner_only_asked_is_not_said_to_be_followed(alice: Home, carol: Stranger) -> None:
    """federation.md §8: `following` are those who said yes."""
    await asked_by(alice, carol)
    for path in ("/following", "/following?page=true"):
        shown = json.loads((await carol.get(f"{alice.base}{path}")).body)
        assert (shown.get("totalItems", 0), shown.get("orderedItems", [])) == (0, []), path


async def test_no_means_no_and_a_follower_can_be_removed(alice: Home, bob: Home) -> None:
    """federation.md §7: "Reject later than Accept = removed as follower"."""
    await befriend(bob, alice)
    await alice.node.owner.reject(bob.node.ids.actor)
    assert not await _is_follower(alice, bob.node.ids.actor)

    async def told() -> bool:
        return await _state(bob, alice.node.ids.actor) is State.REJECTED

    await eventually(told)
    assert (await alice.node.owner.post(Draft("among ourselves", Visibility.FOLLOWERS))).inboxes == 0


async def test_who_stops_following_gets_nothing_more(alice: Home, bob: Home) -> None:
    """Undo Follow: both sides forget, and what was written leaves the home timeline."""
    await befriend(bob, alice)
    await alice.node.owner.post(Draft("heard"))
    await eventually(lambda: bob.shows("heard"))
    await bob.node.owner.unfollow(alice.address)
    assert await bob.texts() == []

    async def left() -> bool:
        return not await _is_follower(alice, bob.node.ids.actor)

    await eventually(left)
    assert (await alice.node.owner.post(Draft("unheard"))).inboxes == 0


# ── Follow and Undo, in any order ────────────────────────────────────────────────────────────


def _undo(who: Stranger, follow: Json, *, form: str = "whole") -> Json:
    embedded: object = {
        "whole": {key: follow[key] for key in ("id", "type", "actor", "object")},
        "id": follow["id"],
        "without an id": {key: follow[key] for key in ("type", "actor", "object")},
    }[form]
    return who.activity("Undo", embedded)


@pytest.mark.parametrize("form", ["whole", "id", "without an id"])
async def test_a_follow_is_undone_in_every_spelling(alice: Home, carol: Stranger, form: str) -> None:
    """federation.md §7: "embed the full original activity; inbound bare ids must work"."""
    follow = carol.activity("Follow", alice.node.ids.actor)
    await carol.deliver(follow, alice.base)
    assert await _is_follower(alice, carol.iri)
    await carol.deliver(_undo(carol, follow, form=form), alice.base)
    assert not await _is_follower(alice, carol.iri)


async def test_an_undone_follow_is_used_up(alice: Home, carol: Stranger) -> None:
    """security.md §1: "tombstones for … undone follows (Follow id is used up)": the same request is a replay."""
    follow, now = carol.activity("Follow", alice.node.ids.actor), datetime.now(UTC)
    await carol.deliver(follow, alice.base, at=now)
    await carol.deliver(_undo(carol, follow), alice.base, at=now)
    await carol.deliver(follow, alice.base, at=now)
    assert not await _is_follower(alice, carol.iri)


@pytest.mark.parametrize("dialect", ["cavage", "rfc9421"])
async def test_one_may_follow_again_under_the_same_id(alice: Home, carol: Stranger, dialect: str) -> None:
    """Misskey makes the id of a Follow out of who follows whom, and that of its Undo out of the Follow's.

    Each counts if it was signed after what it takes back; requests from before that stay used up.
    """
    follow = carol.activity("Follow", alice.node.ids.actor, id=f"{carol.iri}/follows/me/you")
    undo = {**_undo(carol, follow), "id": f"{follow['id']}/undo"}
    start = datetime.now(UTC) - timedelta(minutes=30)

    async def at(minute: int, said: Json) -> None:
        moment = start + timedelta(minutes=minute)
        assert (await carol.deliver(said, alice.base, at=moment, dialect=dialect)).status == 202

    for minute in (0, 2, 4, 6):
        await at(minute, follow)
        assert await _is_follower(alice, carol.iri)
        for earlier in range(1, minute, 2):
            await at(earlier, undo)
        assert await _is_follower(alice, carol.iri), "an Undo of before ends nothing that began since"
        await at(minute + 1, undo)
        assert not await _is_follower(alice, carol.iri)
        for earlier in range(0, minute + 2, 2):
            await at(earlier, follow)
        assert not await _is_follower(alice, carol.iri), "a Follow of before begins nothing that was ended since"


@pytest.mark.parametrize("how", ["removed", "blocked"])
async def test_who_was_turned_away_may_ask_again(alice: Home, carol: Stranger, how: str) -> None:
    """What was asked before the owner's no stays answered; what is asked after it is a new question."""
    follow = carol.activity("Follow", alice.node.ids.actor, id=f"{carol.iri}/follows/me/you")
    now = datetime.now(UTC)
    await carol.deliver(follow, alice.base, at=now - timedelta(minutes=5))
    assert await _is_follower(alice, carol.iri)
    if how == "removed":
        await alice.node.owner.reject(carol.iri)
    else:
        await alice.node.moderation.block(carol.iri)
        await alice.node.moderation.unblock(carol.iri)
    assert not await _is_follower(alice, carol.iri)
    await carol.deliver(follow, alice.base, at=now - timedelta(minutes=5))
    assert not await _is_follower(alice, carol.iri)
    await carol.deliver(follow, alice.base, at=now + timedelta(minutes=5))
    assert await _is_follower(alice, carol.iri)


async def test_an_undo_that_comes_first_wins(alice: Home, carol: Stranger) -> None:
    """Deliveries overtake one another: what was undone before it came does not begin, though it is signed later."""
    follow, now = carol.activity("Follow", alice.node.ids.actor), datetime.now(UTC)
    await carol.deliver(_undo(carol, follow), alice.base, at=now)
    for seconds in (0, 2, 90):
        await carol.deliver(follow, alice.base, at=now + timedelta(seconds=seconds))
        assert not await _is_follower(alice, carol.iri)


async def test_an_undo_of_an_earlier_follow_leaves_the_later_one(alice: Home, carol: Stranger) -> None:
    """A late Undo, retried for hours, must not end what was begun anew since."""
    first, second = (carol.activity("Follow", alice.node.ids.actor) for _ in range(2))
    await carol.deliver(first, alice.base)
    await carol.deliver(second, alice.base)
    await carol.deliver(_undo(carol, first), alice.base)
    assert await _is_follower(alice, carol.iri)
    await carol.deliver(_undo(carol, second), alice.base)
    assert not await _is_follower(alice, carol.iri)


async def test_a_repeated_follow_is_answered_again(alice: Home, carol: Stranger) -> None:
    """federation.md §7: "A repeat Follow is answered again"."""
    follow = carol.activity("Follow", alice.node.ids.actor)
    for number in (1, 2):
        await carol.deliver(follow, alice.base)

        async def answered(number: int = number) -> bool:
            return len(carol.place.of_type("Accept")) == number

        await eventually(answered)
    embedded = carol.place.of_type("Accept")[-1].json["object"]
    assert embedded == {key: follow[key] for key in ("id", "type", "actor", "object")}


async def test_one_who_was_gone_and_is_back_is_answered(alice: Home, carol: Stranger) -> None:
    """A server that answered 404 for a day is no reason to ignore its people for ever."""
    await greet(alice, carol)
    async with alice.node.store.write() as tx:
        await stored.mark_gone(tx, carol.iri, alice.clock())
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)

    async def answered() -> bool:
        return bool(carol.place.of_type("Accept"))

    await eventually(answered)
    assert (await alice.node.owner.post(Draft("welcome back"))).inboxes == 1


# ── Accept and Reject ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["whole", "id", "unknown id"])
async def test_our_follow_is_accepted_in_every_spelling(alice: Home, carol: Stranger, form: str) -> None:
    """federation.md §7: "inbound object may be only the id (Mitra) or an embedded Follow with an unknown id"."""
    follow = await asked_by(alice, carol)
    answer: object = {
        "whole": follow,
        "id": follow["id"],
        "unknown id": {**follow, "id": carol.new_id("follows")},
    }[form]
    await carol.deliver(carol.activity("Accept", answer), alice.base)
    assert await _state(alice, carol.iri) is State.ACCEPTED


async def test_nobody_accepts_for_another(alice: Home, carol: Stranger, place: Place, mallory: Stranger) -> None:
    """Pixelfed CVE-2025-30741: "only target's key moves it"; a neighbour on the same host is not the target."""
    follow = await asked_by(alice, carol)
    neighbour = place.stranger("neighbour")
    await greet(alice, mallory)
    await greet(alice, neighbour)
    before = await alice.rows()
    for forger in (mallory, neighbour):
        for answer in (follow, follow["id"]):
            await forger.deliver(forger.activity("Accept", answer), alice.base)
            await forger.deliver(forger.activity("Reject", answer), alice.base)
    assert await alice.rows() == before
    assert await _state(alice, carol.iri) is State.PENDING


async def test_an_accept_of_what_was_never_asked_changes_nothing(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """security.md §2: "Accept of a Follow never sent"."""
    me = alice.node.ids.actor
    invented = {"id": f"{alice.base}/activities/1", "type": "Follow", "actor": me, "object": mallory.iri}
    await greet(alice, mallory)
    async with nothing_changes(alice, carol):
        await mallory.deliver(mallory.activity("Accept", invented), alice.base)
    assert await _state(alice, mallory.iri) is None


async def test_an_accept_after_one_changed_ones_mind_changes_nothing(alice: Home, carol: Stranger) -> None:
    """An answer to a Follow that was undone, and asked anew, is no answer."""
    first = await asked_by(alice, carol)
    await alice.node.owner.unfollow(carol.iri)
    await carol.deliver(carol.activity("Accept", first), alice.base)
    assert await _state(alice, carol.iri) is None
    await alice.node.owner.follow(carol.iri)
    await carol.deliver(carol.activity("Accept", first), alice.base)
    assert await _state(alice, carol.iri) is State.PENDING


async def test_an_accept_does_not_undo_a_no(alice: Home, carol: Stranger) -> None:
    """A Reject ends it: an Accept that comes late changes nothing."""
    follow = await asked_by(alice, carol)
    await carol.deliver(carol.activity("Reject", follow), alice.base)
    assert await _state(alice, carol.iri) is State.REJECTED
    await carol.deliver(carol.activity("Accept", follow), alice.base)
    assert await _state(alice, carol.iri) is State.REJECTED


async def test_many_follow_at_once(alice: Home, place: Place) -> None:
    """Eight people, one moment: each is a follower and each is answered."""
    people = [place.stranger(f"p{number % 4}x{number}") for number in range(8)]
    replies = await asyncio.gather(
        *(one.deliver(one.activity("Follow", alice.node.ids.actor), alice.base) for one in people)
    )
    assert {reply.status for reply in replies} == {202}
    assert len(await alice.node.owner.followers()) == len(people)

    async def answered() -> bool:
        return len(place.of_type("Accept")) == len(people)

    await eventually(answered)
