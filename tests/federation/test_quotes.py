"""Quotes over the wire, by consent (FEP-044f): granted, refused, taken back; and every stamp that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest

from keys import PublicIdentity, canonical, proof
from node.errors import NotAllowed, NotFound
from node.federation.handlers import quote
from node.model import Draft, Iri, Post, QuotePolicy, QuoteState, Visibility
from node.storage import quotes
from tests.support.following import arrives, befriend, follows, said
from tests.support.homes import Home, eventually
from tests.support.outboxes import Outbox
from tests.support.stranger import Json, Place, Stranger


async def state(home: Home, iri: object) -> QuoteState | None:
    post = await home.node.owner.find_post(str(iri))
    return post.quote_state if post is not None else None


async def settled(home: Home, iri: object) -> QuoteState | None:
    """What came of a quote, once that is known."""

    async def known() -> bool:
        return await state(home, iri) not in (None, QuoteState.PENDING)

    await eventually(known)
    return await state(home, iri)


async def embedded(home: Home, iri: object) -> str | None:
    """The words of another's that are shown within a post."""
    post = await home.node.owner.find_post(str(iri))
    assert post is not None
    async with home.node.store.read() as tx:
        found = await quotes.shown(tx, [post])
    return next((quoted.note.content for quoted in found.values()), None)


def served(place: Place, document: Json) -> Json:
    place.documents[str(document["id"]).removeprefix(place.base)] = document
    return document


def stamp(author: Stranger, quoting: object, quoted: object, **more: object) -> Json:
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": author.new_id("stamps"),
        "type": "QuoteAuthorization",
        "attributedTo": author.iri,
        "interactingObject": quoting,
        "interactionTarget": quoted,
        **more,
    }


def asks(who: Stranger, note: Json, quoted: str, **more: object) -> Json:
    return who.activity("QuoteRequest", quoted, instrument=note, **more)


# ── others quote the owner ───────────────────────────────────────────────────────────────────


async def answer(place: Place, kind: str) -> Json:
    async def there() -> list[Json]:
        return [item.json for item in place.of_type(kind)]

    return (await eventually(there))[-1]


async def test_a_quote_of_the_owner_gets_a_stamp(alice: Home, carol: Stranger, place: Place):
    """FEP-044f: Accept with a `result` that is served publicly, and carries the owner's proof."""
    post = await said(alice, "Quotable")
    note = carol.note("Look at this", quote=post.note.iri)
    request = asks(carol, note, post.note.iri)
    assert (await carol.deliver(request, alice.base)).status == 202
    accept = await answer(place, "Accept")
    assert cast("Json", accept["object"])["id"] == request["id"]
    got = await carol.get(str(accept["result"]), signed=False)
    document = json.loads(got.body)
    assert (got.status, document["type"]) == (200, "QuoteAuthorization")
    assert (document["attributedTo"], document["interactingObject"], document["interactionTarget"]) == (
        alice.node.ids.actor,
        note["id"],
        post.note.iri,
    )
    claim = proof.read(canonical.load_object(got.body), alice.clock())
    assert claim is not None
    own = alice.node.keys.identity.public
    assert isinstance(own, PublicIdentity)
    assert proof.verify(claim, own)
    again = {**request, "id": carol.new_id("activities")}
    await carol.deliver(again, alice.base)
    await eventually(lambda: _two(place, "Accept"))
    assert (await answer(place, "Accept"))["result"] == accept["result"]


async def _two(place: Place, kind: str) -> bool:
    return len(place.of_type(kind)) == 2


async def test_nobody_asks_for_stamps_without_end(
    alice: Home, carol: Stranger, dave: Stranger, place: Place, monkeypatch: pytest.MonkeyPatch
):
    """security.md §10: each is kept and served for good. What was allowed is answered as before, and others may ask."""
    monkeypatch.setattr(quote, "MOST_EACH", 2)
    post = await said(alice, "Quotable")
    wanted = [asks(carol, carol.note("x"), post.note.iri) for _ in range(3)]
    again = {**wanted[0], "id": carol.new_id("activities")}
    verdicts = []
    for who, request in (
        *((carol, one) for one in (*wanted, again)),
        (dave, asks(dave, dave.note("x"), post.note.iri)),
    ):
        place.received.clear()
        assert (await who.deliver(request, alice.base)).status == 202
        await alice.quiet()
        verdicts.append([item.json["type"] for item in place.received])
    assert verdicts == [["Accept"], ["Accept"], ["Reject"], ["Accept"], ["Accept"]]


@pytest.mark.parametrize(
    ("policy", "follower", "kind"),
    [
        (QuotePolicy.PUBLIC, False, "Accept"),
        (QuotePolicy.FOLLOWERS, False, "Reject"),
        (QuotePolicy.FOLLOWERS, True, "Accept"),
        (QuotePolicy.NOBODY, True, "Reject"),
    ],
)
async def test_the_post_says_who_may_quote_it(
    policy: QuotePolicy, follower: bool, kind: str, alice: Home, carol: Stranger, place: Place
):
    """`interactionPolicy.canQuote` is sent, and is what decides."""
    if follower:
        await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
        await alice.quiet()
        place.received.clear()
    post = (await alice.node.owner.post(Draft("Quotable?", quote_policy=policy))).post
    await carol.deliver(asks(carol, carol.note("x"), post.note.iri), alice.base)
    assert (await answer(place, kind))["type"] == kind


async def test_private_posts_are_not_to_be_quoted(alice: Home, carol: Stranger, place: Place):
    """Nothing is answered about what the one who asks may not read."""
    post = (await alice.node.owner.post(Draft("For few", visibility=Visibility.FOLLOWERS))).post
    assert (await carol.deliver(asks(carol, carol.note("x"), post.note.iri), alice.base)).status == 202
    await alice.quiet()
    assert place.received == []
    assert (await alice.rows())["quote_grants"] == 0


async def test_nobody_asks_for_somebody_else(alice: Home, carol: Stranger, mallory: Stranger):
    """security.md §2: the post that quotes is the asker's; a neighbour's word takes nobody's place."""
    post = await said(alice, "Quotable")
    theirs = carol.note("x")
    forged = asks(mallory, theirs, post.note.iri)
    assert (await mallory.deliver(forged, alice.base)).verdict == (403, "wrong_author")
    bare = mallory.activity("QuoteRequest", post.note.iri, instrument=theirs["id"])
    assert (await mallory.deliver(bare, alice.base)).verdict == (403, "wrong_origin")
    elsewhere = asks(mallory, mallory.note("x"), carol.iri)
    assert (await mallory.deliver(elsewhere, alice.base)).verdict == (404, "not_for_us")
    await alice.node.moderation.block(mallory.iri)
    blocked = asks(mallory, mallory.note("x"), post.note.iri)
    assert (await mallory.deliver(blocked, alice.base)).verdict == (403, "blocked")
    assert (await alice.rows())["quote_grants"] == 0
    assert (await carol.deliver(asks(carol, theirs, post.note.iri), alice.base)).status == 202
    assert (await alice.rows())["quote_grants"] == 1


async def test_the_owner_takes_a_stamp_back(alice: Home, carol: Stranger, place: Place):
    """Revoked by a Delete of the stamp; its address answers no more, and asking again does not bring it back."""
    await follows(alice, carol)
    post = await said(alice, "Quotable")
    note = carol.note("Look", quote=post.note.iri)
    await carol.deliver(asks(carol, note, post.note.iri), alice.base)
    granted = str((await answer(place, "Accept"))["result"])
    await carol.deliver(carol.create({**note, "quoteAuthorization": granted}), alice.base)
    await arrives(alice, "Look")
    assert await settled(alice, note["id"]) is QuoteState.ACCEPTED
    [taken] = await alice.node.quoting.revoke(str(note["id"]))
    assert taken.stamp == granted
    delete = await answer(place, "Delete")
    assert delete["object"] == granted
    assert (await carol.get(granted)).status == 404
    assert await state(alice, note["id"]) is QuoteState.REVOKED
    await carol.deliver(asks(carol, note, post.note.iri), alice.base)
    assert (await answer(place, "Reject"))["type"] == "Reject"
    with pytest.raises(NotFound):
        await alice.node.quoting.revoke(str(note["id"]))


async def test_only_a_stamp_of_ours_for_these_two_posts_makes_a_quote(alice: Home, carol: Stranger, mallory: Stranger):
    """FEP-044f: `interactingObject` and `interactionTarget` are these two; a stamp is not to be handed on."""
    await follows(alice, carol)
    await follows(alice, mallory)
    whose = ("one's own", "taken back", "another's", "for another post", "of another quote")
    found = {one: await _handed_on(one, alice, carol, mallory) for one in whose}
    assert found == dict.fromkeys(whose, (QuoteState.REJECTED, False)) | {"one's own": (QuoteState.ACCEPTED, True)}


async def _handed_on(whose: str, alice: Home, carol: Stranger, mallory: Stranger) -> tuple[QuoteState | None, bool]:
    """What came of a quote with such a stamp, and whether it is shown."""
    post, other = await said(alice, f"Quotable, {whose}"), await said(alice, f"As well, {whose}")

    async def granted(who: Stranger, note: Json, about: Post) -> str:
        who.place.received.clear()
        assert (await who.deliver(asks(who, note, about.note.iri), alice.base)).status == 202
        return str((await answer(who.place, "Accept"))["result"])

    note = carol.note(f"Look, {whose}", quote=post.note.iri)
    match whose:
        case "another's":
            given = await granted(mallory, mallory.note("x"), post)
        case "for another post":
            given = await granted(carol, note, other)
        case "of another quote":
            given = await granted(carol, carol.note("x"), post)
        case _:
            given = await granted(carol, note, post)
    if whose == "taken back":
        await alice.node.quoting.revoke(given)
    create = carol.create({**note, "quoteAuthorization": given})
    assert (await carol.deliver(create, alice.base)).status == 202
    await arrives(alice, f"Look, {whose}")
    return await settled(alice, note["id"]), await embedded(alice, note["id"]) is not None


# ── the owner quotes others ──────────────────────────────────────────────────────────────────


async def quoted_by(home: Home, other: Stranger) -> Post:
    """A post of theirs, and the owner's quote of it."""
    await follows(home, other)
    await other.deliver(other.create(other.note("Original")), home.base)
    original = await arrives(home, "Original")
    return (await home.node.owner.post(Draft("My word on it", quote=original.note.iri))).post


async def test_the_owner_asks_and_the_post_goes_out_again(alice: Home, carol: Stranger, dave: Stranger, place: Place):
    """QuoteRequest with the post in it; after the Accept an Update with `quoteAuthorization`."""
    await dave.deliver(dave.activity("Follow", alice.node.ids.actor), alice.base)
    post = await quoted_by(alice, carol)
    assert post.quote_state is QuoteState.PENDING
    request = await answer(place, "QuoteRequest")
    instrument = cast("Json", request["instrument"])
    assert (request["object"], instrument["id"]) == (post.note.quote, post.note.iri)
    assert {instrument[name] for name in ("quote", "quoteUrl", "quoteUri", "_misskey_quote")} == {post.note.quote}
    assert "RE: " in str(instrument["content"])
    granted = served(place, stamp(carol, post.note.iri, post.note.quote))
    accept = carol.activity("Accept", {**request, "instrument": post.note.iri}, result=granted["id"])
    assert (await carol.deliver(accept, alice.base)).status == 202
    update = cast("Json", (await answer(place, "Update"))["object"])
    assert update["quoteAuthorization"] == granted["id"]
    assert update["proof"]
    assert "updated" not in update
    assert await state(alice, post.note.iri) is QuoteState.ACCEPTED
    assert await embedded(alice, post.note.iri) is not None


@pytest.mark.parametrize("bare", [False, True], ids=["embedded", "bare id"])
async def test_after_a_no_the_quote_goes(bare: bool, alice: Home, carol: Stranger, dave: Stranger, place: Place):
    """Reject: the quote comes out of the post, which is sent again; a link stays."""
    await dave.deliver(dave.activity("Follow", alice.node.ids.actor), alice.base)
    post = await quoted_by(alice, carol)
    request = await answer(place, "QuoteRequest")
    no = carol.activity("Reject", request["id"] if bare else request)
    assert (await carol.deliver(no, alice.base)).status == 202
    update = cast("Json", (await answer(place, "Update"))["object"])
    assert "quote" not in update
    assert "quoteUrl" not in update
    assert "RE: " in str(update["content"])
    assert await state(alice, post.note.iri) is QuoteState.REJECTED


async def test_after_a_no_no_yes_counts(alice: Home, carol: Stranger, place: Place):
    """Who changed their mind is asked anew, by another quote: what was said without it stays as it was sent."""
    post = await quoted_by(alice, carol)
    request = await answer(place, "QuoteRequest")
    assert (await carol.deliver(carol.activity("Reject", request), alice.base)).status == 202
    yes = carol.activity("Accept", request, result=stamp(carol, post.note.iri, post.note.quote)["id"])
    assert (await carol.deliver(yes, alice.base)).status == 202
    assert await state(alice, post.note.iri) is not QuoteState.ACCEPTED
    assert await embedded(alice, post.note.iri) is None


async def test_only_the_author_answers(alice: Home, carol: Stranger, mallory: Stranger, dave: Stranger, place: Place):
    """A yes or no by anybody else changes nothing; nor does a stamp on another origin."""
    post = await quoted_by(alice, carol)
    request = await answer(place, "QuoteRequest")
    for who in (mallory, dave):
        for kind in ("Accept", "Reject"):
            forged = who.activity(kind, request, result=stamp(who, post.note.iri, post.note.quote)["id"])
            assert (await who.deliver(forged, alice.base)).status == 202
    assert await state(alice, post.note.iri) is QuoteState.PENDING
    foreign = carol.activity("Accept", request, result=mallory.new_id("stamps"))
    assert (await carol.deliver(foreign, alice.base)).verdict == (403, "wrong_origin")
    good = carol.activity("Accept", request, result=carol.new_id("stamps"))
    assert (await carol.deliver(good, alice.base)).status == 202
    assert await state(alice, post.note.iri) is QuoteState.ACCEPTED


async def test_quotes_that_cannot_be_are_refused_at_once(alice: Home, carol: Stranger):
    """Not what few may read, and not what its author lets nobody quote."""
    await follows(alice, carol)
    hidden = carol.note("Hidden", to=[f"{carol.iri}/followers"])
    closed = carol.note("Closed", interactionPolicy={"canQuote": {"automaticApproval": [carol.iri]}})
    for note in (hidden, closed):
        await carol.deliver(carol.create(note), alice.base)
        with pytest.raises(NotAllowed):
            await alice.node.owner.post(Draft("Look", quote=Iri(str(note["id"]))))


async def test_two_nodes_quote_each_other(alice: Home, bob: Home):
    """The whole way between two nodes, without anybody's doing anything but quote; then revoked."""
    await befriend(alice, bob)
    await befriend(bob, alice)
    original = await said(alice, "Worth quoting")
    there = await arrives(bob, "Worth quoting")
    quoting = (await bob.node.owner.post(Draft("Indeed", quote=there.note.iri))).post

    async def granted(home: Home) -> bool:
        return await state(home, quoting.note.iri) is QuoteState.ACCEPTED

    await eventually(lambda: granted(bob))
    await arrives(alice, "Indeed")
    await eventually(lambda: granted(alice))
    assert "Worth quoting" in (await embedded(alice, quoting.note.iri) or "")
    assert len(await alice.node.quoting.grants()) == 1
    await alice.node.quoting.revoke(quoting.note.iri)

    async def revoked() -> bool:
        return await state(bob, quoting.note.iri) is QuoteState.REVOKED

    await eventually(revoked)
    assert await embedded(bob, quoting.note.iri) is None
    assert original.note.iri == there.note.iri


async def test_quoting_oneself_needs_no_leave(alice: Home, place: Place):
    """Author and quoted author are the same."""
    first = await said(alice, "First")
    second = (await alice.node.owner.post(Draft("Second", quote=first.note.iri))).post
    assert second.quote_state is QuoteState.ACCEPTED
    assert await embedded(alice, second.note.iri) is not None
    await alice.quiet()
    assert place.of_type("QuoteRequest") == []


# ── others quote others ──────────────────────────────────────────────────────────────────────

Break = Callable[[Stranger, Stranger, Json, Json], Json | None]


STAMPS: dict[str, Break] = {
    "good": lambda _mallory, author, note, quoted: stamp(author, note["id"], quoted["id"]),
    "none": lambda _mallory, _author, _note, _quoted: None,
    "own stamp": lambda mallory, _author, note, quoted: stamp(mallory, note["id"], quoted["id"]),
    "other origin": lambda mallory, author, note, quoted: stamp(
        mallory, note["id"], quoted["id"], attributedTo=author.iri
    ),
    "other author": lambda mallory, author, note, quoted: stamp(
        author, note["id"], quoted["id"], attributedTo=mallory.iri
    ),
    "other target": lambda _mallory, author, note, _quoted: stamp(author, note["id"], note["id"]),
    "other post": lambda _mallory, author, _note, quoted: stamp(author, quoted["id"], quoted["id"]),
    "no stamp at all": lambda _mallory, author, note, quoted: stamp(author, note["id"], quoted["id"], type="Note"),
}


async def test_only_a_stamp_that_holds_makes_a_quote(
    alice: Home, mallory: Stranger, carol: Stranger, place: Place, elsewhere: Place
):
    """Fetched from its origin, by the quoted author, for these two posts; anything else is a plain link."""
    await follows(alice, mallory)
    found = {}
    for name, made in STAMPS.items():
        quoted = served(place, carol.note("Original"))
        note = mallory.note(f"Look, {name}", quote=quoted["id"])
        given = made(mallory, carol, note, quoted)
        if given is not None:
            served(place if str(given["id"]).startswith(place.base) else elsewhere, given)
            note["quoteAuthorization"] = given["id"]
        assert (await mallory.deliver(mallory.create(note), alice.base)).status == 202
        await arrives(alice, f"Look, {name}")
        found[name] = await settled(alice, note["id"]), await embedded(alice, note["id"]) is not None
    assert found == dict.fromkeys(STAMPS, (QuoteState.REJECTED, False)) | {"good": (QuoteState.ACCEPTED, True)}


@pytest.mark.parametrize("how", ["outbox", "thread", "boost"])
async def test_what_a_fetched_post_quotes_is_found_out_at_once(
    alice: Home, carol: Stranger, dave: Stranger, place: Place, how: str
):
    """As when it is delivered: nobody who opens a thread waits for the next round of errands."""
    quoted = served(place, carol.note("Original"))
    note = served(place, carol.note("Look", quote=quoted["id"]))
    if how == "outbox":
        Outbox(carol, [carol.create(note)])
        await follows(alice, carol)
    elif how == "thread":
        await alice.node.reading.open_thread(str(note["id"]))
    else:
        await follows(alice, dave)
        await dave.deliver(dave.activity("Announce", note["id"]), alice.base)
    assert await settled(alice, note["id"]) is QuoteState.ACCEPTED
    assert await embedded(alice, note["id"]) is not None


async def test_what_few_may_read_is_shown_in_no_quote(alice: Home, carol: Stranger):
    """Not even its author makes it public by quoting it: whoever reads the quote may not read what is in it."""
    await follows(alice, carol)
    hidden = carol.note("Hidden", to=[f"{carol.iri}/followers"])
    assert (await carol.deliver(carol.create(hidden), alice.base)).status == 202
    note = carol.note("Look", quote=hidden["id"])
    assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    assert await settled(alice, note["id"]) is QuoteState.REJECTED
    async with alice.node.store.write() as tx:  # nor if it had been let through
        await quotes.settle(tx, Iri(str(note["id"])), QuoteState.ACCEPTED, None)
    assert await embedded(alice, note["id"]) is None


async def test_every_spelling_of_a_quote_is_read(alice: Home, carol: Stranger, place: Place):
    """FEP-044f, Misskey, Pleroma, Fedibird, and the links of FEP-e232; quoting oneself holds without a stamp."""
    await follows(alice, carol)
    names, found = ("quote", "_misskey_quote", "quoteUrl", "quoteUri", "tag"), {}
    for name in names:
        quoted = served(place, carol.note("Original"))
        link = {"type": "Link", "href": quoted["id"], "rel": "https://misskey-hub.net/ns#_misskey_quote"}
        note = carol.note("Look", **({"tag": [link]} if name == "tag" else {name: quoted["id"]}))
        await carol.deliver(carol.create(note), alice.base)
        found[name] = await settled(alice, note["id"])
    assert found == dict.fromkeys(names, QuoteState.ACCEPTED)


async def test_a_stamp_that_comes_later_counts(alice: Home, mallory: Stranger, carol: Stranger, place: Place):
    """An Update without a newer `updated` may bring the stamp: a refresh, not an edit."""
    await follows(alice, mallory)
    quoted = served(place, carol.note("Original"))
    note = mallory.note("Look", quote=quoted["id"])
    await mallory.deliver(mallory.create(note), alice.base)
    assert await settled(alice, note["id"]) is QuoteState.REJECTED
    given = served(place, stamp(carol, note["id"], quoted["id"]))
    await mallory.deliver(mallory.activity("Update", {**note, "quoteAuthorization": given["id"]}), alice.base)
    assert await settled(alice, note["id"]) is QuoteState.ACCEPTED
    assert len(await alice.node.owner.history(Iri(str(note["id"])))) == 1


async def test_a_stamp_taken_back_counts_no_more(alice: Home, mallory: Stranger, carol: Stranger, place: Place):
    """Delete of a stamp by its author; a neighbour's Delete, and a stranger's, change nothing."""
    await follows(alice, mallory)
    neighbour = place.stranger("nancy")
    quoted = served(place, carol.note("Original"))
    note = mallory.note("Look", quote=quoted["id"])
    given = served(place, stamp(carol, note["id"], quoted["id"]))
    await mallory.deliver(mallory.create({**note, "quoteAuthorization": given["id"]}), alice.base)
    assert await settled(alice, note["id"]) is QuoteState.ACCEPTED
    assert (await mallory.deliver(mallory.activity("Delete", given["id"]), alice.base)).status == 403
    assert (await neighbour.deliver(neighbour.activity("Delete", given["id"]), alice.base)).status == 202
    assert await state(alice, note["id"]) is QuoteState.ACCEPTED
    assert (await carol.deliver(carol.activity("Delete", given["id"]), alice.base)).status == 202
    assert await state(alice, note["id"]) is QuoteState.REVOKED
    assert await embedded(alice, note["id"]) is None


async def test_a_chain_of_quotes_is_not_followed(alice: Home, carol: Stranger, place: Place):
    """Each quote brings one post here, not the one that that one quotes, and so on."""
    await follows(alice, carol)
    notes = [carol.note(f"Number {n}") for n in range(4)]
    for note, next_one in pairwise(notes):
        note["quote"] = next_one["id"]
        served(place, note)
    served(place, notes[-1])
    await carol.deliver(carol.create(notes[0]), alice.base)
    assert await settled(alice, notes[0]["id"]) is QuoteState.ACCEPTED

    async def done() -> bool:
        return (await alice.rows())["chores"] <= 1

    await eventually(done)
    assert (await alice.rows())["notes"] == 2
