"""Strangers: they wait in the request box, and whoever looks like a friend is said not to be one."""

from __future__ import annotations

import pytest

from node import printing
from node.errors import NotFound
from node.model import Draft
from tests.support.homes import Home
from tests.support.stranger import Place, Stranger


async def said(home: Home) -> tuple[list[str], list[str]]:
    """What is among the mentions, and what waits in the request box."""
    mentions = await home.node.owner.timeline(mentions=True)
    waiting = await home.node.moderation.requests()
    return [post.note.content for post in mentions], [post.note.content for post in waiting]


async def speak(who: Stranger, home: Home, words: str) -> None:
    reply = await who.deliver(who.say(words, home.node.ids.actor), home.base)
    assert reply.verdict == (202, None)


# ── the request box ──────────────────────────────────────────────────────────────────────────


async def test_a_stranger_waits_until_let_in(alice: Home, carol: Stranger) -> None:
    """ "Strangers' mentions … go to a request box, not to notifications; the owner lets in" """
    await speak(carol, alice, "hello")
    assert await said(alice) == ([], ["<p>hello</p>"])
    await alice.node.moderation.allow(carol.handle)
    await speak(carol, alice, "thank you")
    assert await said(alice) == (["<p>thank you</p>", "<p>hello</p>"], [])


async def test_a_follower_is_a_stranger_all_the_same(alice: Home, carol: Stranger) -> None:
    """ "accounts that the owner neither follows nor has talked to": to follow costs nothing."""
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    await speak(carol, alice, "hello")
    assert await said(alice) == ([], ["<p>hello</p>"])


async def test_whom_the_owner_speaks_to_is_no_stranger(alice: Home, carol: Stranger) -> None:
    """ "nor has talked to": a mention by the owner is enough."""
    await alice.node.owner.post(Draft(f"Are you there, {carol.handle}?"))
    await speak(carol, alice, "yes")
    assert await said(alice) == (["<p>yes</p>"], [])


async def test_whom_the_owner_answers_is_no_stranger(alice: Home, carol: Stranger) -> None:
    """An answer to what waits in the box lets its author in."""
    await speak(carol, alice, "hello")
    (waiting,) = await alice.node.moderation.requests()
    await alice.node.owner.post(Draft("Welcome", in_reply_to=waiting.note.iri))
    assert await said(alice) == (["<p>hello</p>"], [])


async def test_whom_the_owner_follows_is_no_stranger(alice: Home, bob: Home) -> None:
    """As soon as the follow is accepted."""
    await alice.node.owner.follow(bob.address)
    await alice.quiet()
    await bob.quiet()
    await bob.node.owner.post(Draft(f"hello {alice.address}"))
    await bob.quiet()
    mentions, waiting = await said(alice)
    assert (len(mentions), waiting) == (1, [])


async def test_an_ignored_stranger_is_shown_nowhere(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """ "the owner lets in, blocks or ignores": ignoring says nothing to anybody, and can be undone by letting in."""
    await speak(mallory, alice, "buy this")
    await alice.node.moderation.ignore(mallory.handle)
    await speak(mallory, alice, "buy that")
    await speak(carol, alice, "hello")
    assert await said(alice) == ([], ["<p>hello</p>"])
    assert mallory.place.received == []
    await alice.node.moderation.allow(mallory.handle)
    assert len((await said(alice))[0]) == 2


async def test_a_blocked_stranger_is_gone(alice: Home, mallory: Stranger) -> None:
    """Blocking empties the box of what they said."""
    await speak(mallory, alice, "buy this")
    await alice.node.moderation.block(mallory.handle)
    assert await said(alice) == ([], [])
    with pytest.raises(NotFound, match="not muted"):
        await alice.node.moderation.unmute(mallory.iri)


# ── look-alikes ──────────────────────────────────────────────────────────────────────────────


def dressed(who: Stranger, name: str) -> Stranger:
    """With another display name."""
    who.extra["name"] = name
    who.publish()
    return who


async def befriend(home: Home, who: Stranger) -> None:
    await home.node.owner.follow(who.handle)


async def test_a_friends_double_is_warned_of(alice: Home, place: Place, elsewhere: Place) -> None:
    """ "not the @ada@example.org you follow": in the command line, its JSON, and on pages."""
    real = dressed(place.stranger("ada"), "Ada Lovelace")
    false = dressed(elsewhere.stranger("x77"), "Аda Lоvelace ✅")
    await befriend(alice, real)
    mine = (await alice.node.owner.post(Draft("Who is there?"))).post
    answer = false.note("It is me", cc=[alice.node.ids.actor], inReplyTo=mine.note.iri)
    assert (await false.deliver(false.create(answer), alice.base)).status == 202
    (post,) = await alice.node.moderation.requests()
    assert post.author.name == "Аda Lоvelace"
    assert post.author.resembles is not None
    assert post.author.resembles.warning == f"not the {real.handle} you follow"
    assert f"caution: not the {real.handle} you follow" in printing.post_words(post, alice.clock())
    looks_like = {"handle": real.handle, "uri": real.iri, "warning": f"not the {real.handle} you follow"}
    assert printing.person_json(post.author)["looks_like"] == looks_like
    page = await false.get(alice.node.ids.note_page(mine.id), signed=False, accept="text/html")
    assert f"not the {real.handle} whom the author follows" in page.body.decode()


async def test_another_account_under_a_friends_own_handle_is_warned_of(alice: Home, place: Place) -> None:
    """key-history.md §7 pins keys to an address: whoever has a friend's server now may begin at another one."""
    real = dressed(place.stranger("ada"), "Ada Lovelace")
    await befriend(alice, real)
    anew = place.stranger("x77", proofs=True)
    anew.extra["preferredUsername"] = "ada"
    await speak(dressed(anew, "Ada's new pen"), alice, "It is me")
    (post,) = await alice.node.moderation.requests()
    assert (post.author.handle, post.authorship.verdict) == (real.handle, "signed")
    assert post.author.resembles is not None
    assert post.author.resembles.iri == real.iri


async def test_the_double_of_the_owner_is_warned_of(alice: Home, elsewhere: Place) -> None:
    """ "confusable … with someone followed, or with the owner" """
    await speak(elsewhere.stranger("alice"), alice, "It is you")
    (post,) = await alice.node.moderation.requests()
    assert post.author.resembles is not None
    assert post.author.resembles.warning == f"not you: you are {alice.address}"


async def test_a_double_met_before_the_friend_is_found_later(alice: Home, place: Place, elsewhere: Place) -> None:
    """Whom one follows changes who is a double; following the double itself ends the warning."""
    real, false = place.stranger("ada"), elsewhere.stranger("ada")
    await speak(false, alice, "hello")

    async def resembled() -> str | None:
        known = (await alice.node.owner.people([false.iri]))[false.iri].actor
        return known.resembles.handle if known.resembles else None

    assert await resembled() is None
    await befriend(alice, real)
    assert await resembled() == real.handle
    await alice.node.owner.unfollow(real.handle)
    assert await resembled() is None
    await befriend(alice, real)
    await befriend(alice, false)
    assert await resembled() is None


async def test_a_friends_new_name_is_one_that_others_may_not_take(alice: Home, place: Place, elsewhere: Place) -> None:
    """What a friend is called is what their own server says now, and not what it said when the node began to look."""
    real, false = dressed(place.stranger("ada"), "Ada"), dressed(elsewhere.stranger("x77"), "Аda Lоvelace")
    await befriend(alice, real)
    await speak(elsewhere.stranger("y88"), alice, "somebody else")  # compared with those who are known
    await alice.node.actors.refresh(dressed(real, "Ada Lovelace").iri)
    await speak(false, alice, "hello")
    found = (await alice.node.owner.people([false.iri]))[false.iri].actor
    assert found.resembles is not None
    assert found.resembles.handle == real.handle


async def test_a_new_name_is_looked_at_again(alice: Home, place: Place, elsewhere: Place) -> None:
    """A double that first comes under an honest name is found when it changes it."""
    real, false = dressed(place.stranger("ada"), "Ada Lovelace"), elsewhere.stranger("x77")
    await befriend(alice, real)
    await speak(false, alice, "hello")
    assert (await alice.node.moderation.requests())[0].author.resembles is None
    await alice.node.actors.refresh(dressed(false, "Ada Lovelace").iri)
    assert (await alice.node.moderation.requests())[0].author.resembles is not None


async def test_an_honest_stranger_carries_no_warning(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """ "False alarms stay rare" """
    await befriend(alice, carol)
    await speak(dave, alice, "hello")
    assert (await alice.node.moderation.requests())[0].author.resembles is None
