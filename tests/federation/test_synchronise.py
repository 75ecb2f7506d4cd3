"""Followers synchronisation: disagreement about who follows whom is noticed, and mended (FEP-8fcf)."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from aiohttp import web

from node.federation.synchronise import HEADER, NOBODY, Claimed, digest, read, written
from node.model import Draft, Iri, Tell, Visibility
from node.observe import counters
from node.storage import chores, relations
from node.storage.relations import State
from tests.support import outboxes
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.following import arrives, befriend, follows, said
from tests.support.homes import Home, eventually
from tests.support.late import Late
from tests.support.outboxes import Outbox, follow, served
from tests.support.outboxes import written as posts_of
from tests.support.stranger import AS2, Json, Place, Received, Reply, Stranger

COVERED = "(request-target) host date digest collection-synchronization"


def test_the_digest_is_that_of_the_proposal() -> None:
    """FEP-8fcf, "Partial follower collection digest": its own example."""
    ids = [f"https://testing.example.org/users/{number}" for number in (1, 2, 2)]
    assert digest(ids) == "c33f48cd341ef046a206b8a72ec97af65079f9a3a9b90eef79c5920dce45c61f"
    assert digest([]) == NOBODY == "0" * 64


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nothing",
        'collectionId="https://a.example/f"',
        'collectionId="https://a.example/f", url="https://a.example/s", digest="short"',
        f'collectionId="https://a.example/f", url="ftp://a.example/s", digest="{NOBODY}"',
        f'collectionId="https://a.example/f", url="https://a.example/s", digest="{NOBODY}", digest="{NOBODY}"',
        f'collectionId="https://a.example/f" url="https://a.example/s" digest="{NOBODY}"',
    ],
)
def test_a_header_that_cannot_be_read_says_nothing(value: str) -> None:
    """FEP-8fcf: all three parts, each once."""
    assert read(value) is None


def test_what_we_write_can_be_read() -> None:
    """In any order, as Mastodon writes it too."""
    want = Claimed(Iri("https://a.example/f"), Iri("https://a.example/s"), digest(["https://b.example/u"]))
    assert read(written(want.collection, want.url, want.digest)) == want
    assert read(f'digest="{want.digest}",collectionId="{want.collection}",url="{want.url}"') == want


# ── out ──────────────────────────────────────────────────────────────────────────────────────


async def followed_by(home: Home, *people: Stranger) -> None:
    for who in people:
        assert (await who.deliver(who.activity("Follow", home.node.ids.actor), home.base)).status == 202
    await home.quiet()


async def test_what_is_for_followers_says_who_they_are(alice: Home, place: Place, mallory: Stranger) -> None:
    """FEP-8fcf: the ids of the followers on that server, as one number, under the signature."""
    ann, ben = place.stranger("ann"), place.stranger("ben")
    await followed_by(alice, ann, ben, mallory)
    sent: dict[Visibility, Received] = {}
    for visibility in Visibility:
        place.received.clear()
        await alice.node.owner.post(Draft(f"for you {ann.handle}", visibility=visibility))
        await alice.quiet()
        sent[visibility] = place.of_type("Create")[0]
    assert [one for one, came in sent.items() if HEADER in came.headers] == [Visibility.FOLLOWERS]
    came = sent[Visibility.FOLLOWERS]
    claimed = read(came.headers[HEADER])
    ids = alice.node.ids
    assert claimed == Claimed(ids.followers, ids.followers_synchronization, digest([ann.iri, ben.iri]))
    covered = came.headers.get("Signature-Input", "") + came.headers["Signature"]
    assert "collection-synchronization" in covered


async def test_the_list_is_told_to_the_server_of_those_on_it(alice: Home, place: Place, mallory: Stranger) -> None:
    """FEP-8fcf: "the partial collection … only … followers whose id share the same authority" as the one who asks."""
    ann, ben = place.stranger("ann"), place.stranger("ben")
    await followed_by(alice, ann, ben, mallory)
    url = alice.node.ids.followers_synchronization

    def listed(reply: Reply) -> object:
        assert reply.status == 200
        assert reply.headers["Cache-Control"] == "private, no-store"
        return json.loads(reply.body)["orderedItems"]

    assert listed(await ann.get(url)) == [ann.iri, ben.iri]
    assert listed(await mallory.get(url)) == [mallory.iri]
    assert listed(await place.stranger("nobody").get(url)) == [ann.iri, ben.iri]  # their server's to know
    assert (await mallory.get(url, signed=False)).verdict == (401, "unsigned")


# ── in ───────────────────────────────────────────────────────────────────────────────────────


class List:
    """A stranger's list of their followers at the node's address, and deliveries that speak of it."""

    def __init__(self, who: Stranger, *members: str) -> None:
        self.who = who
        self.members = list(members)
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()
        self.url = f"{who.iri}/followers_synchronization"
        who.place.documents[f"/users/{who.name}/followers_synchronization"] = self.answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert "Signature" in request.headers
        self.asked += 1
        await self.go.wait()
        document: Json = {"@context": AS2, "id": self.url, "type": "OrderedCollection", "orderedItems": self.members}
        return served(document)

    async def speak(self, home: Home, *, of: str | None = None, covered: str = COVERED, **other: str) -> None:
        """A delivery with the header, over which the signature goes."""
        who = self.who
        said_of = {"collection": f"{who.iri}/followers", "url": self.url, **other}
        value = written(said_of["collection"], said_of["url"], of or digest(self.members))
        body = json.dumps(who.say("with a header", home.node.ids.actor)).encode()
        headers = who.signed("POST", home.base + "/inbox", body, covered=covered, more={HEADER: value}, at=home.clock())
        content = ("Content-Type", "application/activity+json")
        assert (await who.send("POST", home.base + "/inbox", [content, *headers], body)).status == 202


async def state(home: Home, who: Stranger) -> State | None:
    async with home.node.store.read() as tx:
        follow = await relations.follow_of(tx, who.iri)
    return None if follow is None else follow.state


async def becomes(home: Home, who: Stranger, want: State) -> None:
    async def there() -> bool:
        return await state(home, who) is want

    await eventually(there)


async def test_who_counts_us_no_more_is_followed_no_more(alice: Home, carol: Stranger) -> None:
    """FEP-8fcf: we believe to follow, they do not have us: the Reject was lost on the way."""
    await follows(alice, carol)
    await List(carol).speak(alice)
    await becomes(alice, carol, State.REJECTED)
    await greet(alice, carol)


async def test_who_still_counts_us_is_told_again_that_we_left(alice: Home, carol: Stranger) -> None:
    """FEP-8fcf: "send an Undo Follow" where they have a follower that we do not know of."""
    await List(carol, alice.node.ids.actor).speak(alice)

    async def undone() -> bool:
        return bool(carol.place.of_type("Undo"))

    await eventually(undone)
    undo = carol.place.of_type("Undo")[0].json
    assert isinstance(undo["object"], dict)
    assert (undo["object"]["type"], undo["object"]["object"]) == ("Follow", carol.iri)


async def test_a_yes_that_was_lost_is_understood(alice: Home, carol: Stranger) -> None:
    """Whoever lists us as a follower has accepted."""
    await alice.node.owner.follow(carol.iri)
    await List(carol, alice.node.ids.actor).speak(alice)
    await becomes(alice, carol, State.ACCEPTED)


async def test_agreement_costs_nothing_and_disagreement_one_question_an_hour(
    alice: Home, carol: Stranger, clock: FakeClock
) -> None:
    """security.md §0.10: a sender cannot make us ask as often as it likes."""
    await follows(alice, carol)
    here = List(carol, alice.node.ids.actor)
    await here.speak(alice)
    assert (await alice.rows())["chores"] <= 1  # that of the outbox
    for _ in range(3):
        await here.speak(alice, of="f" * 64)

    async def asked() -> bool:
        return here.asked == 1

    await eventually(asked)
    clock.forward(timedelta(minutes=61))
    await here.speak(alice, of="e" * 64)

    async def again() -> bool:
        return here.asked == 2

    await eventually(again)
    assert await state(alice, carol) is State.ACCEPTED


@pytest.mark.parametrize(
    "how", ["not signed", "another's collection", "another server's list", "a list of other bytes"]
)
async def test_nobody_ends_a_follow_of_somebody_elses(
    alice: Home, carol: Stranger, place: Place, elsewhere: Place, how: str
) -> None:
    """FEP-8fcf, security considerations: sender, collection and list must belong together, and the digest be signed."""
    await follows(alice, carol)
    victim = List(carol)
    neighbour = List(place.stranger("neighbour"))
    stranger = List(elsewhere.stranger("stranger"))
    if how == "not signed":
        await victim.speak(alice, covered="(request-target) host date digest")
    elif how == "another's collection":
        before = counters["followers.not_theirs"]
        await neighbour.speak(alice, of="a" * 64, collection=f"{carol.iri}/followers", url=victim.url)
        assert counters["followers.not_theirs"] == before + 1
    elif how == "another server's list":
        await victim.speak(alice, url=stranger.url)
    else:
        await victim.speak(alice, of="a" * 64)
        await eventually(lambda: _asked(victim))
    await greet(alice, carol)
    assert victim.asked == int(how == "a list of other bytes")
    assert neighbour.asked == stranger.asked == 0
    assert await state(alice, carol) is State.ACCEPTED


async def _asked(one: List) -> bool:
    return bool(one.asked)


async def test_two_nodes_of_ours_mend_what_a_lost_undo_left(alice: Home, bob: Home) -> None:
    """The whole way: bob's node forgot that it follows alice; her next post for followers mends it."""
    await befriend(bob, alice)
    await alice.quiet()
    async with bob.node.store.write() as tx:
        await relations.end_follow(tx, alice.node.ids.actor)
    await said(alice, "for everybody: nothing is compared")
    await alice.node.owner.post(Draft("for followers", visibility=Visibility.FOLLOWERS))

    async def alone() -> bool:
        return not await alice.node.owner.followers()

    await eventually(alone)


async def test_what_ends_while_one_asks_what_is_due_is_not_begun_again(alice: Home, carol: Stranger) -> None:
    """security.md §0.10, "one question an hour": the answer of before the end names it still."""
    await follows(alice, carol)
    here = List(carol, alice.node.ids.actor)
    here.go.clear()
    await here.speak(alice, of="f" * 64)
    await eventually(lambda: _asked(here))
    late = Late(alice.node.store)
    alice.node.backfill._store = late  # type: ignore[assignment]
    alice.node.events.publish([Tell("chore", carol.iri)])
    async with asyncio.timeout(8):
        await late.asked.wait()
    here.go.set()

    async def over() -> bool:
        return not alice.node.backfill._busy

    await eventually(over)
    late.held.set()
    await greet(alice, carol)
    await asyncio.sleep(0.3)
    assert here.asked == 1


async def test_many_who_disagree_keep_nobody_waiting_who_was_just_followed(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """security.md §0.10: accounts cost nothing, so what strangers have us ask comes after what the owner wants."""
    await alice.idle()
    Outbox(carol, posts_of(carol, 3))
    never_ends = List(mallory)
    never_ends.go.clear()
    state = {"url": never_ends.url, "digest": "f" * 64}
    async with alice.node.store.write() as tx:
        for number in range(250):
            await chores.put(tx, chores.FOLLOWERS, f"{mallory.iri}{number}", alice.clock(), state)
    alice.node.events.publish([Tell("chore", "")])
    await eventually(lambda: _asked(never_ends))
    await follows(alice, carol)
    await arrives(alice, "post 3 of carol")
    assert never_ends.asked == 2


async def test_lists_that_do_not_come_keep_nothing_else_waiting(alice: Home, carol: Stranger) -> None:
    """Anybody may disagree, from many servers that hang: the posts of somebody just followed come all the same."""
    async with AsyncExitStack() as stack:
        lists = []
        for name in ("ann", "ben", "cleo", "dan", "eve"):
            elsewhere = await stack.enter_async_context(Place())
            for number in range(2):
                one = List(elsewhere.stranger(f"{name}{number}"), alice.node.ids.actor)
                one.go.clear()
                lists.append(one)
        for one in lists:
            await one.speak(alice)

        async def under_way() -> bool:
            return sum(one.asked for one in lists) >= 2

        await eventually(under_way)
        await asyncio.sleep(0.3)
        Outbox(carol, outboxes.written(carol, 3))
        await follow(alice, carol)
        await eventually(lambda: alice.shows("post 3 of carol"))
        for one in lists:
            one.go.set()
