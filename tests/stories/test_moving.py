"""Moving house: others move and are followed; the owner moves and takes the followers along."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.errors import NotAllowed
from node.model import Iri
from node.storage.relations import State
from tests.stories.test_following import asked_by, befriend
from tests.support.attack import greet, nothing_changes
from tests.support.homes import Home, eventually
from tests.support.stranger import Place, Stranger


async def _followed(home: Home) -> dict[Iri, State]:
    return {one.actor: one.state for one in await home.node.owner.following()}


async def _follow(home: Home, stranger: Stranger) -> None:
    follow = await asked_by(home, stranger)
    assert (await stranger.deliver(stranger.activity("Accept", follow), home.base)).status == 202
    assert (await _followed(home))[stranger.iri] is State.ACCEPTED


def _names(stranger: Stranger, *others: str) -> None:
    stranger.extra = {"alsoKnownAs": list(others)}
    stranger.publish()


async def test_a_friend_who_moves_is_followed_there(alice: Home, carol: Stranger, elsewhere: Place) -> None:
    """federation.md §7: the new account lists the old one in alsoKnownAs; we ask it, then go along."""
    new = elsewhere.stranger("carol")
    _names(new, carol.iri)
    await _follow(alice, carol)
    assert (await carol.deliver(carol.activity("Move", carol.iri, target=new.iri), alice.base)).status == 202

    async def gone_along() -> bool:
        return bool(elsewhere.of_type("Follow")) and bool(carol.place.of_type("Undo"))

    await eventually(gone_along)
    assert await _followed(alice) == {new.iri: State.PENDING}
    follow = elsewhere.of_type("Follow")[-1].json
    assert (follow["actor"], follow["object"]) == (alice.node.ids.actor, new.iri)


async def test_a_friend_who_moved_is_not_taken_for_an_impostor(
    alice: Home, carol: Stranger, elsewhere: Place, place: Place
) -> None:
    """Who moves keeps the name: the new account was compared with the old one before it was the friend. And it is the
    new one for whom nobody may pass from now on."""
    new, third = elsewhere.stranger("carol"), place.stranger("caro1")
    _names(new, carol.iri)
    await _follow(alice, carol)
    assert (await carol.deliver(carol.activity("Move", carol.iri, target=new.iri), alice.base)).status == 202

    async def gone_along() -> bool:
        return new.iri in await _followed(alice)

    await eventually(gone_along)
    assert (await alice.node.actors.get(new.iri)).actor.resembles is None
    assert (await alice.node.owner.people([new.iri]))[new.iri].actor.resembles is None
    await greet(alice, third)
    caution = (await alice.node.owner.people([third.iri]))[third.iri].actor.resembles
    assert caution is not None
    assert caution.iri == new.iri


async def test_nobody_is_led_away_by_one_sides_word(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """security.md §2, Move hijack: the target is fetched afresh, and does not name the old account."""
    await _follow(alice, carol)
    assert (await carol.deliver(carol.activity("Move", carol.iri, target=mallory.iri), alice.base)).status == 202

    async def asked() -> bool:
        return mallory.place.asked[f"/users/{mallory.name}"] > 0

    await eventually(asked)
    await alice.quiet()
    assert await _followed(alice) == {carol.iri: State.ACCEPTED}
    assert mallory.place.of_type("Follow") == []


async def test_only_the_account_itself_can_move_it(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """security.md §2: signer == object."""
    _names(mallory, carol.iri)
    await _follow(alice, carol)
    async with nothing_changes(alice, carol, but=("actors", "keys", "refusals")):
        reply = await mallory.deliver(mallory.activity("Move", carol.iri, target=mallory.iri), alice.base)
        assert reply.verdict == (403, "wrong_author")
    assert await _followed(alice) == {carol.iri: State.ACCEPTED}


async def test_one_move_a_week(alice: Home, carol: Stranger, dave: Stranger, elsewhere: Place) -> None:
    """federation.md §7: a 7-day cool-down, so that followers are not dragged about."""
    new = elsewhere.stranger("carol")
    _names(new, carol.iri)
    _names(dave, carol.iri)
    await _follow(alice, carol)
    assert (await carol.deliver(carol.activity("Move", carol.iri, target=new.iri), alice.base)).status == 202

    async def gone_along() -> bool:
        return new.iri in await _followed(alice)

    await eventually(gone_along)
    await alice.quiet()
    carol.place.received.clear()
    await _follow(alice, carol)
    assert (await carol.deliver(carol.activity("Move", carol.iri, target=dave.iri), alice.base)).status == 202
    await alice.quiet()
    assert dave.iri not in await _followed(alice)
    alice.clock.forward(timedelta(days=8))
    at = alice.clock()
    again = carol.activity("Move", carol.iri, target=dave.iri)
    assert (await carol.deliver(again, alice.base, at=at)).status == 202

    async def gone_on() -> bool:
        return dave.iri in await _followed(alice)

    await eventually(gone_on)


async def test_the_owner_moves_and_followers_are_told(alice: Home, bob: Home, carol: Stranger) -> None:
    """decisions.md §15: alias add on the new node, move on the old one."""
    assert (await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)).status == 202
    await befriend(bob, alice)
    with pytest.raises(NotAllowed, match="does not name"):
        await alice.node.owner.move(bob.address)
    await bob.node.owner.change_profile(also_known_as=(alice.node.ids.actor,))
    assert await alice.node.owner.move(bob.address) == bob.node.ids.actor

    async def told() -> bool:
        return bool(carol.place.of_type("Move"))

    await eventually(told)
    move = carol.place.of_type("Move")[-1].json
    assert (move["object"], move["target"]) == (alice.node.ids.actor, bob.node.ids.actor)
    assert move["proof"]
    assert (await alice.node.owner.profile()).moved_to == bob.node.ids.actor
