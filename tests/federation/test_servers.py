"""What Mastodon, GoToSocial, Misskey, Akkoma, snac, Mitra, Fedify, Pixelfed, PeerTube … send, in their shapes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from keys import Identity
from node.federation import parse
from node.model import Draft, Iri
from node.storage import notes, reactions
from node.storage.schema import arrivals
from tests.support.attack import greet
from tests.support.homes import Home, eventually
from tests.support.servers import (
    FOLLOW,
    NAMES,
    OWN,
    THEM,
    THIRD,
    US,
    Foreigner,
    cases,
    dug,
    filled,
    foreigner,
    name_of,
    server,
)
from tests.support.stranger import Json, Place, Stranger, rsa_key

KEYS = {"PEM": rsa_key("vector").public.pem, "MULTIKEY": Identity.generate().public.multikey}


@pytest.mark.parametrize("name", NAMES)
def test_their_accounts_are_understood(name: str) -> None:
    """Profile, keys and collections, as each of them writes these down."""
    vector = server(name)
    actor = parse.actor(filled(vector["actor"], KEYS))
    assert {path: dug(actor, path) for path in vector["expect"]} == vector["expect"]
    assert actor.keys
    assert actor.outbox


@pytest.mark.parametrize("case", cases(), ids=name_of)
def test_what_they_say_is_understood(case: tuple[str, int]) -> None:
    """Each activity becomes the one of our types that is meant, with the values that matter."""
    vector = server(case[0])
    one = vector["cases"][case[1]]
    activity = parse.activity(filled(_whole(one["document"], vector["actor"]), KEYS))
    expected = dict(one["expect"])
    assert type(activity).__name__ == expected.pop("type"), activity
    assert {path: dug(activity, path) for path in expected} == expected


def _whole(document: Json, actor: Json) -> Json:
    return {**document, "object": actor} if document.get("object") == "ACTOR" else document


@pytest.mark.parametrize("name", NAMES)
async def test_a_life_with_each_of_them(
    alice: Home, place: Place, elsewhere: Place, carol: Stranger, name: str
) -> None:
    """Everything they send is taken, in order, over the wire, and has the effect that its sender means."""
    await greet(alice, carol)
    them = foreigner(place, name)
    own = (await alice.node.owner.post(Draft("good morning"))).post.note.iri
    follow = (await alice.node.owner.follow(them.iri)).activity
    here = {US + OWN: own, US + FOLLOW: follow, US + "/": alice.base + "/", THEM: place.base, THIRD: elsewhere.base}
    for case in server(name)["cases"]:
        document = _signed(them, filled(_whole(case["document"], them.document()), here), case.get("proven", False))
        reply = await them.deliver(document, alice.base)
        assert reply.verdict == (202, None), (case["name"], reply.body)
        for fact, wanted in filled(case.get("then", {}), here).items():
            await eventually(lambda fact=fact, wanted=wanted: _holds(alice, own, them, fact, wanted), within=4)  # type: ignore[misc]
    assert await _failed(alice) == []
    await greet(alice, carol)


def _signed(them: Foreigner, document: Json, proven: object) -> Json:
    """With proofs, where that server makes them: on the activity, and on a whole note inside."""
    if not proven:
        return document
    inside: Any = document["object"]
    if proven is True and isinstance(inside, dict) and "content" in inside and "@context" in inside:
        document = {**document, "object": them.prove(inside)}
    return them.prove(document)


async def _holds(home: Home, own: Iri, them: Foreigner, fact: str, wanted: Any) -> bool:
    async with home.node.store.read() as tx:
        counts = (await reactions.counts(tx, [own]))[own]
        match fact:
            case "verdict":
                post = await notes.get(tx, Iri(wanted[0]))
                return post is not None and post.authorship.verdict.value == wanted[1]
            case "stored":
                return await notes.get(tx, Iri(wanted)) is not None
            case "gone":
                return await notes.get(tx, Iri(wanted)) is None
            case "reads":
                post = await notes.get(tx, Iri(wanted[0]))
                return post is not None and wanted[1] in post.note.content
            case "likes" | "boosts" | "replies":
                return bool(getattr(counts, fact) == wanted)
            case "emoji":
                found = await reactions.standing(tx, [own], [them.iri])
                return len([one for one in found if one[3]]) == wanted
    match fact:
        case "follower":
            return {one.actor for one in await home.node.owner.followers()} == ({wanted} if wanted else set())
        case "following":
            states = {one.actor: one.state for one in await home.node.owner.following()}
            return states.get(them.iri, "rejected") == wanted
    raise AssertionError(f"nobody knows what {fact} means")


async def _failed(home: Home) -> list[str]:
    """What could not be applied: nothing, ever. Only what asks another server may have to wait for it."""
    async with home.node.store.read() as tx:
        found = (await tx.execute(select(arrivals.c.activity, arrivals.c.last_error))).all()
    return [
        f"{one.activity}: {one.last_error}" for one in found if one.last_error and "Unreachable" not in one.last_error
    ]
