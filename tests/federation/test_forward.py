"""Answers to the owner's posts are passed on to the followers: those with a proof, once, as they came."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import timedelta
from pathlib import Path

from node.federation.inbox import FORWARDED
from node.model import Draft, Iri, Post, Visibility
from node.storage import queue, timelines
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.following import befriend, follows, said
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import PUBLIC, Json, Place, Stranger


async def followed_by(home: Home, who: Stranger) -> None:
    """They follow the owner, and have heard the yes."""
    assert (await who.deliver(who.activity("Follow", home.node.ids.actor), home.base)).status == 202
    await home.quiet()
    who.place.received.clear()


def answer(who: Stranger, post: Post, home: Home, words: str, *, to: tuple[str, ...] = (PUBLIC,)) -> Json:
    """An answer to the owner's post, for the owner's followers as well; signed by this stranger."""
    note = who.note(words, to=to, cc=[home.node.ids.followers, home.node.ids.actor], inReplyTo=post.note.iri)
    return who.prove(who.create(who.prove(note)))


async def test_a_proven_answer_reaches_the_followers_byte_for_byte(
    alice: Home, dave: Stranger, mallory: Stranger
) -> None:
    """ActivityPub §7.1.2: "the server MUST target and deliver to … the original recipients" of the conversation."""
    follower = mallory
    await followed_by(alice, follower)
    post = await said(alice, "what do you think?")
    await alice.quiet()
    body = json.dumps(answer(dave, post, alice, "I think so"), indent=1).encode()
    assert (await dave.deliver(body, alice.base)).status == 202
    await alice.quiet()
    came = [item for item in follower.place.of_type("Create") if item.json["actor"] == dave.iri]
    assert [item.body for item in came] == [body]
    assert alice.node.ids.actor in came[0].headers["Signature"] + came[0].headers.get("Signature-Input", "")
    for _ in range(2):  # what came before is not passed on again, so nothing goes in circles
        assert (await dave.deliver(body, alice.base)).status == 202
    await alice.quiet()
    assert len([item for item in follower.place.of_type("Create") if item.json["actor"] == dave.iri]) == 1


async def test_a_follower_with_a_node_like_ours_believes_what_was_passed_on(
    alice: Home, bob: Home, dave: Stranger
) -> None:
    """FEP-8b32: the replier's own proof is what it is believed on; the forwarder vouches for nothing."""
    await befriend(bob, alice)
    await follows(bob, dave)
    post = await said(alice, "question")
    assert (await dave.deliver(answer(dave, post, alice, "an answer under it"), alice.base)).status == 202

    async def there() -> Post | None:
        return await bob.shows("an answer under it")

    found = await eventually(there)
    assert found is not None
    assert found.authorship.verdict == "signed"


async def test_one_that_cannot_be_passed_on_costs_the_neighbours_nothing(
    tmp_path: Path, postgres_url: str, carol: Stranger, dave: Stranger, elsewhere: Place
) -> None:
    """house.md, batches: "its neighbours never notice"; nor do they of what follows from an activity. Two addresses
    of this length are no key of an index of PostgreSQL's."""
    home = await settle_in(tmp_path, "alice", clock=FakeClock(), database_url=postgres_url)
    follower = elsewhere.stranger("far" + secrets.token_hex(60))
    follower.extra = {"inbox": f"{follower.iri}/{secrets.token_urlsafe(1050)}"}
    follower.publish()
    try:
        await home.start()
        await followed_by(home, follower)
        await greet(home, carol)
        await greet(home, dave)
        post = await said(home, "what do you think?")
        reply = answer(dave, post, home, "this")
        del reply["proof"]
        reply = dave.prove({**reply, "id": f"{dave.iri}/{secrets.token_urlsafe(1050)}"})
        async with home.node.store.write():  # so that all wait for one batch
            says = [carol.say(f"unharmed {number}", home.node.ids.actor) for number in range(4)]
            sent = [asyncio.ensure_future(carol.deliver(said, home.base)) for said in says[:2]]
            sent.append(asyncio.ensure_future(dave.deliver(reply, home.base)))
            sent += [asyncio.ensure_future(carol.deliver(said, home.base)) for said in says[2:]]
            await asyncio.sleep(0.3)
        assert [reply.status for reply in await asyncio.gather(*sent)] == [202] * 5
        assert all([await home.shows(f"unharmed {number}") for number in range(4)])
        assert (await home.rows())["arrivals"] == 1
    finally:
        await home.stop()


async def test_what_may_not_be_passed_on_stays(alice: Home, dave: Stranger, carol: Stranger, elsewhere: Place) -> None:
    """Without a proof nobody could believe it; what is not for the followers is none of theirs."""
    follower = elsewhere.stranger("follower")
    await followed_by(alice, follower)
    await greet(alice, dave)
    await greet(alice, carol)
    hows = ("no proof", "a broken proof", "not for the followers", "to a direct post", "to somebody else's post")
    passed_on = {how: await _passed_on(how, alice, dave, carol, follower) for how in hows}
    assert passed_on == {how: [] for how in hows}


async def _passed_on(how: str, alice: Home, dave: Stranger, carol: Stranger, follower: Stranger) -> list[Json]:
    """What such an answer makes the node send to a follower of the owner's in somebody else's name."""
    follower.place.received.clear()
    post = await said(alice, f"talk: {how}")
    if how == "to a direct post":
        draft = Draft(f"between us {dave.handle}", visibility=Visibility.DIRECT)
        post = (await alice.node.owner.post(draft)).post
    sent = answer(dave, post, alice, "quiet")
    if how == "no proof":
        note = carol.note("quiet", to=[PUBLIC], cc=[alice.node.ids.followers], inReplyTo=post.note.iri)
        assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    elif how == "a broken proof":
        assert (await dave.deliver({**sent, "published": "2026-01-01T00:00:00Z"}, alice.base)).status == 403
    elif how == "not for the followers":
        note = dave.note("quiet", to=[PUBLIC, alice.node.ids.actor], inReplyTo=post.note.iri)
        assert (await dave.deliver(dave.prove(dave.create(dave.prove(note))), alice.base)).status == 202
    elif how == "to somebody else's post":
        theirs = carol.note("carol's", cc=[alice.node.ids.actor])
        assert (await carol.deliver(carol.create(theirs), alice.base)).status == 202
        parent = theirs["id"]
        note = dave.note("quiet", cc=[alice.node.ids.followers, alice.node.ids.actor], inReplyTo=parent)
        assert (await dave.deliver(dave.prove(dave.create(dave.prove(note))), alice.base)).status == 202
    else:
        assert (await dave.deliver(sent, alice.base)).status == 202
    await alice.quiet()
    sent_on = [item.json for item in follower.place.of_type("Create")]
    return [one for one in sent_on if one["actor"] != alice.node.ids.actor]


async def test_an_answer_does_not_go_back_where_it_came_from(
    alice: Home, dave: Stranger, carol: Stranger, mallory: Stranger
) -> None:
    """Its author's own server has it."""
    await followed_by(alice, mallory)
    await followed_by(alice, carol)  # dave's neighbour
    post = await said(alice, "talk")
    await alice.quiet()
    assert (await dave.deliver(answer(dave, post, alice, "so I say"), alice.base)).status == 202
    await alice.quiet()
    assert [item for item in carol.place.of_type("Create") if item.json["actor"] == dave.iri] == []
    assert len([item for item in mallory.place.of_type("Create") if item.json["actor"] == dave.iri]) == 1


async def test_an_answer_reaches_a_follower_who_was_away(alice: Home, dave: Stranger, mallory: Stranger) -> None:
    """Deliver: what is passed on is tried again like what is one's own, still in the owner's name."""
    await followed_by(alice, mallory)
    post = await said(alice, "talk")
    await alice.quiet()
    mallory.place.received.clear()
    mallory.place.answer = 503
    sent = answer(dave, post, alice, "I came back for this")
    assert (await dave.deliver(sent, alice.base)).status == 202

    async def waits() -> bool:
        async with alice.node.store.read() as tx:
            owed = await queue.overview(tx)
        return bool(mallory.place.received) and bool(owed) and all(one.attempts == 1 for one in owed)

    await eventually(waits)
    mallory.place.answer = 202
    alice.clock.forward(timedelta(seconds=70))
    alice.node.delivery.wake()
    await alice.quiet()
    assert [item.json["id"] for item in mallory.place.received] == [sent["id"]] * 2
    assert alice.node.ids.main_key in mallory.place.received[-1].headers["Signature"]


async def test_an_answer_for_the_followers_alone_goes_to_their_own_inboxes(
    alice: Home, dave: Stranger, elsewhere: Place
) -> None:
    """federation.md §9: what is not for everybody goes to people's own inboxes."""
    follower = elsewhere.stranger("follower", shared_inbox=True)
    await followed_by(alice, follower)
    post = (await alice.node.owner.post(Draft("for us", visibility=Visibility.FOLLOWERS))).post
    sent = answer(dave, post, alice, "for you all", to=(alice.node.ids.actor,))
    assert (await dave.deliver(sent, alice.base)).status == 202
    await alice.quiet()
    came = [item.path for item in elsewhere.of_type("Create") if item.json["actor"] == dave.iri]
    assert came == [f"/users/{follower.name}/inbox"]


async def test_its_edit_and_its_deletion_follow_it(alice: Home, dave: Stranger, mallory: Stranger) -> None:
    """What was passed on is corrected, and taken back, by the same way."""
    await followed_by(alice, mallory)
    post = await said(alice, "talk")
    sent = answer(dave, post, alice, "I meen it")
    assert (await dave.deliver(sent, alice.base)).status == 202
    assert isinstance(sent["object"], dict)
    plain = {key: value for key, value in sent["object"].items() if key != "proof"}
    note = dave.prove({**plain, "content": "<p>I mean it</p>", "updated": "2031-01-01T00:00:00Z"})
    update = dave.prove(dave.activity("Update", note, to=note["to"], cc=note["cc"]))
    assert (await dave.deliver(update, alice.base)).status == 202
    await alice.quiet()
    assert (await dave.deliver(dave.prove(dave.activity("Delete", note["id"])), alice.base)).status == 202
    await alice.quiet()
    theirs = [item.json["type"] for item in mallory.place.received if item.json["actor"] == dave.iri]
    assert theirs == ["Create", "Update", "Delete"]


async def test_nobody_can_make_the_node_a_loudspeaker(alice: Home, dave: Stranger, mallory: Stranger) -> None:
    """security.md §0.10: "Everything is bounded": so many answers of one host within an hour."""
    await followed_by(alice, mallory)
    post = await said(alice, "talk")
    await alice.quiet()
    sent = [answer(dave, post, alice, f"again {number}") for number in range(FORWARDED + 5)]
    await asyncio.gather(*(dave.deliver(one, alice.base) for one in sent))
    await alice.quiet()
    theirs = [item for item in mallory.place.of_type("Create") if item.json["actor"] == dave.iri]
    assert len(theirs) == FORWARDED


# ── what was here already, and is said to the owner after all ────────────────────────────────


async def test_a_strangers_post_that_was_fetched_is_theirs_to_say_to_the_owner(
    alice: Home, dave: Stranger, carol: Stranger
) -> None:
    """A post seen in a thread first, then delivered with a mention of the owner, is in the request box."""
    note = dave.prove(
        dave.note(
            "@alice look",
            to=[PUBLIC],
            cc=[alice.node.ids.actor],
            tag=[{"type": "Mention", "href": alice.node.ids.actor, "name": "@alice"}],
        )
    )
    dave.place.documents[f"/users/dave/notes/{str(note['id']).rpartition('/')[2]}"] = note
    await alice.node.reading.open_thread(str(note["id"]))
    assert await alice.said_to_me() == []
    neighbour = carol.create({**note, "attributedTo": carol.iri})
    assert (await carol.deliver(neighbour, alice.base)).status == 202
    assert await alice.said_to_me() == []  # nobody else can put it there
    assert (await alice.rows())["arrivals"] == 0
    create = dave.create(note)
    for _ in range(2):
        assert (await dave.deliver(create, alice.base)).status == 202
    assert [post.note.iri for post in await alice.node.moderation.requests()] == [note["id"]]


async def test_a_post_that_came_with_a_thread_is_at_home_once_its_author_sends_it(alice: Home, dave: Stranger) -> None:
    """Whom the owner follows is read at home, whatever else was looked at before."""
    note = dave.prove(dave.note("in passing"))
    dave.place.documents[f"/users/dave/notes/{str(note['id']).rpartition('/')[2]}"] = note
    await follows(alice, dave)
    await alice.idle()
    await alice.node.reading.open_thread(str(note["id"]))
    assert await alice.texts() == []
    assert (await dave.deliver(dave.create(note), alice.base)).status == 202
    assert await alice.texts() == ["<p>in passing</p>"]
    async with alice.node.store.read() as tx:
        assert [Iri(post.note.iri) for post in await timelines.home_posts(tx)] == [note["id"]]


async def test_an_answer_addressed_in_an_odd_way_is_passed_on_and_holds_up_nothing(
    alice: Home, dave: Stranger, mallory: Stranger
) -> None:
    """security.md §4, wrong types: how a stranger writes `to` decides about nobody else's mail."""
    await followed_by(alice, mallory)
    await greet(alice, dave)
    post = await said(alice, "what do you think?")
    await alice.quiet()
    note = dave.note("oddly", to=[PUBLIC], cc=[alice.node.ids.followers], inReplyTo=post.note.iri)
    odd = dave.prove({**dave.create(dave.prove(note)), "to": None, "cc": 7})
    assert (await dave.deliver(odd, alice.base)).status == 202
    await alice.quiet()
    assert [item.json["id"] for item in mallory.place.of_type("Create")][1:] == [odd["id"]]
    await said(alice, "and then?")
    await alice.quiet()
    assert len(mallory.place.of_type("Create")) == 3
