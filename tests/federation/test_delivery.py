"""The way out, over the wire: folded, side by side, signed afresh, taken up again, given up in the end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, update

from node import app
from node.errors import StoreError
from node.federation import httpsig
from node.federation.delivery import PER_HOST
from node.federation.dial import Guard, networks
from node.model import Draft, Visibility
from node.storage import activities, actors, hosts, queue, schema
from node.storage.dialect import Tx
from node.storage.hosts import Host
from node.storage.store import Store
from tests.stories.test_following import befriend
from tests.support.homes import Home, eventually, free_port
from tests.support.stranger import Place, Received, Stranger, never


async def _followed_by(home: Home, *people: Stranger) -> None:
    """These people follow the owner, and their Accepts are settled."""
    for one in people:
        assert (await one.deliver(one.activity("Follow", home.node.ids.actor), home.base)).status == 202
    await home.quiet()
    for one in people:
        one.place.received.clear()


async def _came(place: Place, number: int) -> None:
    async def enough() -> bool:
        return len(place.received) >= number

    await eventually(enough)


async def _host(home: Home, place: Place) -> Host:
    async with home.node.store.read() as tx:
        return (await hosts.get_many(tx, [place.base])).get(place.base, Host(place.base))


async def _failed(home: Home, place: Place, times: int = 1) -> Host:
    """Wait until this many failures of a host are written down."""

    async def written() -> Host | None:
        found = await _host(home, place)
        return found if found.failures >= times and found.next_at is not None else None

    found = await eventually(written)
    assert found is not None
    return found


async def _is_in_no_hand(home: Home) -> bool:
    """What is owed waits; nothing of it is being sent."""
    held = schema.queue
    async with home.node.store.read() as tx:
        return (await tx.execute(select(held).where(held.c.worker.is_not(None)))).first() is None


async def _later(home: Home, by: timedelta) -> None:
    """Put the clock forward, and have the deliverer look at it."""
    home.clock.forward(by)
    home.node.delivery.wake()


# ── who gets what ────────────────────────────────────────────────────────────────────────────


async def test_one_delivery_serves_all_followers_of_a_server(alice: Home, place: Place) -> None:
    """federation.md §9: "map to endpoints.sharedInbox … deduplicate"."""
    people = [place.stranger(name, shared_inbox=True) for name in ("ann", "ben", "cat")]
    await _followed_by(alice, *people)
    assert (await alice.node.owner.post(Draft("once for all"))).inboxes == 1
    await _came(place, 1)
    await alice.quiet()
    assert [item.path for item in place.received] == ["/inbox"]


async def test_a_direct_note_goes_to_its_addressee_alone(alice: Home, place: Place) -> None:
    """federation.md §9: "activities … direct go to personal inboxes"."""
    ann, ben = (place.stranger(name, shared_inbox=True) for name in ("ann", "ben"))
    await _followed_by(alice, ann, ben)
    await alice.node.owner.post(Draft(f"{ann.handle} between us", Visibility.DIRECT))
    await alice.quiet()
    assert [item.path for item in place.received] == ["/users/ann/inbox"]


async def test_between_nodes_of_our_kind_ed25519_is_spoken(alice: Home, bob: Home) -> None:
    """http-signatures §5, FEP-844e: what an actor says it implements is used at once."""
    await befriend(bob, alice)
    await bob.idle()  # or he may read the post in her outbox before it is delivered
    known = {}
    for home, other in ((alice, bob), (bob, alice)):
        async with home.node.store.read() as tx:
            known[home.handle] = (await hosts.get_many(tx, [other.base]))[other.base]
    assert {(host.dialect, host.algorithm) for host in known.values()} == {("rfc9421", "ed25519")}
    await alice.node.owner.post(Draft("in the new tongue"))
    post = await eventually(lambda: bob.shows("in the new tongue"))
    assert post is not None
    async with bob.node.store.read() as tx:
        logged = await activities.get(tx, alice.node.ids.create(post.note.iri))
    assert logged is not None
    assert logged.key == alice.node.keys.identity.public.multikey
    assert "signature-input" in dict(logged.headers)


# ── slow, dead, busy ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def places() -> AsyncIterator[list[Place]]:
    """Four servers."""
    made = [Place() for _ in range(4)]
    for one in made:
        await one.__aenter__()
    yield made
    for one in made:
        await one.__aexit__(None, None, None)


async def test_the_dead_and_the_slow_delay_only_themselves(alice: Home, places: list[Place]) -> None:
    """Deliver: "runs hosts side by side so that dead or slow ones delay only themselves"."""
    people = [one.stranger(f"s{number}") for number, one in enumerate(places)]
    await _followed_by(alice, *people)
    await places[0].hang_up()
    places[1].answer = never
    started = asyncio.get_running_loop().time()
    for number in range(5):
        await alice.node.owner.post(Draft(f"on time {number}"))
    await asyncio.gather(_came(places[2], 5), _came(places[3], 5))
    assert asyncio.get_running_loop().time() - started < 5, "a server that does not answer has half a minute"
    await _failed(alice, places[0])

    async def only_theirs() -> bool:
        return (await alice.rows())["queue"] == 10

    await eventually(only_theirs)


async def test_a_server_is_sent_two_things_at_a_time(alice: Home, carol: Stranger) -> None:
    """security.md §0.10: "per-host … concurrency" is bounded, in what we ask of others as well."""
    await _followed_by(alice, carol)
    under_way: list[int] = [0]

    async def counted(_item: Received) -> web.StreamResponse:
        under_way.append(under_way[-1] + 1)
        await asyncio.sleep(0.1)
        under_way.append(under_way[-1] - 1)
        return web.Response(status=202)

    carol.place.answer = counted
    for number in range(8):
        await alice.node.owner.post(Draft(f"one of many {number}"))
    await alice.quiet()
    assert len(carol.place.received) == 8
    assert max(under_way) == PER_HOST


async def test_what_waits_for_a_server_that_fails_waits_with_it(alice: Home, carol: Stranger) -> None:
    """federation.md §9: the host failed, not one delivery: what was under way fails as one, and the rest is not tried
    one after the other."""
    await _followed_by(alice, carol)
    both = asyncio.Event()

    async def busy(_item: Received) -> web.StreamResponse:
        await both.wait()
        return web.Response(status=503)

    carol.place.answer = busy
    for number in range(6):
        await alice.node.owner.post(Draft(f"while it is down {number}"))
    await _came(carol.place, PER_HOST)
    both.set()
    await _failed(alice, carol.place)
    await eventually(lambda: _is_in_no_hand(alice))
    await asyncio.sleep(0.1)
    assert len(carol.place.received) == PER_HOST
    assert (await _host(alice, carol.place)).failures == 1
    carol.place.answer = 202
    await _later(alice, timedelta(seconds=70))
    await alice.quiet()
    assert len(carol.place.received) == PER_HOST + 6


async def test_an_address_that_nothing_can_be_sent_to_costs_its_neighbours_nothing(
    alice: Home, places: list[Place], caplog: pytest.LogCaptureFixture
) -> None:
    """security.md §0: what one stranger says (here: where their inbox is) decides about nobody else's mail."""
    mallory, *others = [one.stranger(f"s{number}") for number, one in enumerate(places)]
    mallory.extra["inbox"] = f"{mallory.iri}/in\u202ebox"
    mallory.publish()
    await _followed_by(alice, mallory, *others)
    caplog.clear()
    await alice.node.owner.post(Draft("to all others"))
    await alice.quiet()
    assert [len(one.received) for one in places] == [0, 1, 1, 1]
    (said,) = [line for line in caplog.records if line.name == "cuicui.delivery" and line.levelname == "WARNING"]
    assert said.message == "could not sign"
    assert said.exc_info is None, "an address of a stranger's making is no defect of ours"


async def test_a_server_that_comes_back_gets_everything_in_a_minute(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "0, 1 min, 5 min, 20 min …": nothing is lost, nothing is sent twice."""
    await _followed_by(alice, carol)
    await carol.place.hang_up()
    for number in range(3):
        await alice.node.owner.post(Draft(f"kept {number}"))
    host = await _failed(alice, carol.place)
    await eventually(lambda: _is_in_no_hand(alice))
    assert host.next_at is not None
    assert timedelta(seconds=50) <= host.next_at - alice.clock() <= timedelta(seconds=70)
    await carol.place.listen()
    await asyncio.sleep(0.2)
    assert not carol.place.received
    await _later(alice, timedelta(seconds=70))
    await _came(carol.place, 3)
    await alice.quiet()
    assert len(set(carol.place.ids())) == len(carol.place.ids()) == 3
    assert (await _host(alice, carol.place)).failures == 0


async def test_each_failure_makes_the_pause_longer_and_a_week_of_silence_ends_it(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "after 7 days silent the host is dormant: keep the relation, drop queued posts"."""
    await _followed_by(alice, carol)
    carol.place.answer = 503
    await alice.node.owner.post(Draft("is anybody there"))
    pauses = []
    for number in range(1, 20):
        host = await _failed(alice, carol.place, number)
        assert host.next_at is not None
        if host.dormant:
            break
        pauses.append(host.next_at - alice.clock())
        await _later(alice, pauses[-1] + timedelta(seconds=1))
    assert host.dormant
    assert len(carol.place.received) >= 12
    assert pauses[1] > 3 * pauses[0]
    assert max(pauses) <= timedelta(hours=27)
    assert (await alice.rows())["queue"] == 0
    assert (await alice.rows())["followers"] == 1

    await alice.restart()
    carol.place.received.clear()
    await alice.node.owner.post(Draft("not kept for the dormant"))
    await alice.quiet()
    assert not carol.place.received
    carol.place.answer = 202
    alice.clock.forward(timedelta(days=8))
    await alice.node.owner.post(Draft("once a week we try"))
    await _came(carol.place, 1)
    await alice.quiet()
    assert not (await _host(alice, carol.place)).dormant


async def test_a_week_that_we_were_away_is_no_week_of_silence(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "7 days silent" is to have been asked for 7 days. What was posted as the machine went to sleep
    goes out when it is awake again, also if its network comes a minute later."""
    await _followed_by(alice, carol)
    await carol.place.hang_up()
    await alice.node.owner.post(Draft("written on the train"))
    await _failed(alice, carol.place)
    await alice.stop()
    alice.clock.forward(timedelta(days=8))
    await alice.start()
    assert not (await _failed(alice, carol.place, 2)).dormant
    await carol.place.listen()
    await _later(alice, timedelta(minutes=6))
    await _came(carol.place, 1)


async def test_what_another_process_learned_of_a_server_counts(alice: Home, carol: Stranger) -> None:
    """decisions.md §17: more workers over the same store. To whom one of them got through, the others do not keep
    waiting for what they saw fail."""
    await _followed_by(alice, carol)
    carol.place.answer = 503
    await alice.node.owner.post(Draft("is anybody there"))
    await _failed(alice, carol.place)
    await alice.node.owner.post(Draft("this one waits"))
    await eventually(lambda: _is_in_no_hand(alice))
    carol.place.answer = 202
    carol.place.received.clear()
    async with alice.node.store.write() as tx:
        await hosts.put(tx, Host(carol.place.base))  # as a worker does that was answered
    await alice.node.owner.post(Draft("this one goes"))
    await _came(carol.place, 1)


async def test_a_server_that_was_given_up_and_speaks_again_is_written_to_at_once(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "send one probe a week; when it speaks again or a probe works", it is dormant no more."""
    await _followed_by(alice, carol)
    carol.place.answer = 503
    await alice.node.owner.post(Draft("is anybody there"))
    host = await _failed(alice, carol.place)
    while not host.dormant:
        await _later(alice, timedelta(hours=27))
        host = await _failed(alice, carol.place, host.failures + 1)
    carol.place.answer = 202
    carol.place.received.clear()
    await alice.node.owner.post(Draft("not kept for the dormant"))
    await alice.quiet()
    assert not carol.place.received

    assert (
        await carol.deliver(carol.say("I am back", alice.node.ids.actor), alice.base, at=alice.clock())
    ).status == 202
    assert not (await _host(alice, carol.place)).dormant
    await alice.node.owner.post(Draft("good to hear from you"))
    await _came(carol.place, 1)
    await alice.quiet()


@pytest.mark.parametrize("form", ["seconds", "date", "too long"])
async def test_a_busy_server_says_when_to_come_back(alice: Home, carol: Stranger, form: str) -> None:
    """RFC 9110 §10.2.3: Retry-After "can be either an HTTP-date or a number of seconds"; a day at most."""
    await _followed_by(alice, carol)
    wish = {
        "seconds": "600",
        "date": format_datetime(alice.clock() + timedelta(seconds=600), usegmt=True),
        "too long": "99999999999",
    }[form]

    async def busy(_item: Received) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": wish})

    carol.place.answer = busy
    await alice.node.owner.post(Draft("when it suits you"))
    host = await _failed(alice, carol.place)
    assert host.next_at is not None
    wait = host.next_at - alice.clock()
    want = timedelta(days=1) if form == "too long" else timedelta(seconds=600)
    assert want - timedelta(seconds=5) <= wait <= want


async def test_a_no_is_a_no_for_this_delivery_and_says_nothing_of_the_host(alice: Home, carol: Stranger) -> None:
    """federation.md §9: permanent for this delivery; a delivery is not redirected."""
    await _followed_by(alice, carol)
    statuses, found = (400, 403, 404, 405, 413, 422, 302), {}
    for status in statuses:

        async def no(_item: Received, status: int = status) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": f"{carol.place.base}/elsewhere"})

        carol.place.received.clear()
        carol.place.answer = no
        await alice.node.owner.post(Draft("no, thank you"))
        await _came(carol.place, 1)
        await alice.quiet()
        failures = (await _host(alice, carol.place)).failures
        found[status] = {item.path for item in carol.place.received}, failures
    assert found == dict.fromkeys(statuses, ({"/users/carol/inbox"}, 0))


async def test_an_inbox_that_is_gone_is_confirmed_and_its_people_forgotten(alice: Home, place: Place) -> None:
    """federation.md §9, 410: "Confirm by actor GET before deleting followers"."""
    gone, moved = place.stranger("gone"), place.stranger("here")
    await _followed_by(alice, gone, moved)
    place.documents.pop("/users/gone")
    place.answer = 410
    await alice.node.owner.post(Draft("anybody home"))

    async def forgotten() -> bool:
        return [one.actor for one in await alice.node.owner.followers()] == [moved.iri]

    await eventually(forgotten)
    await alice.quiet()
    assert (await alice.node.owner.post(Draft("again"))).inboxes == 1


async def test_an_inbox_that_is_not_found_again_and_again_is_looked_for(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "404 on an inbox three times in 7 days → refetch actor": it may be elsewhere by now."""
    await _followed_by(alice, carol)
    carol.extra = {"inbox": f"{carol.iri}/new-inbox"}
    carol.publish()
    carol.place.asked.clear()

    async def moved(item: Received) -> web.StreamResponse:
        return web.Response(status=202 if item.path.endswith("/new-inbox") else 404)

    carol.place.answer = moved
    for number in range(3):
        assert not carol.place.asked["/users/carol"]
        await alice.node.owner.post(Draft(f"nobody there: {number}"))
        await _came(carol.place, number + 1)
        await alice.quiet()

    async def is_known() -> bool:
        known = await alice.node.actors.known(carol.iri)
        return known is not None and known.actor.inbox == carol.extra["inbox"]

    await eventually(is_known)
    assert carol.place.asked["/users/carol"] == 1
    await alice.node.owner.post(Draft("there you are"))
    await _came(carol.place, 4)
    assert carol.place.received[-1].path == "/users/carol/new-inbox"


async def test_of_a_large_server_that_is_gone_everybody_is_forgotten(
    alice: Home, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """federation.md §9, 410: so many are asked for each time, and not the same ones again."""
    monkeypatch.setattr(actors, "behind", partial(actors.behind, limit=5))
    people = [place.stranger(f"p{number}", shared_inbox=True) for number in range(7)]
    await _followed_by(alice, *people)
    place.answer = 410
    for one in people:
        del place.documents[f"/users/{one.name}"]
    for left in (2, 0):
        await alice.node.owner.post(Draft("is anybody there?"))

        async def forgotten(left: int = left) -> bool:
            return (await alice.rows())["followers"] == left

        await eventually(forgotten)
    assert max(place.asked[f"/users/{one.name}"] for one in people) <= 4  # one for each key, one for each goodbye


async def test_a_dialect_is_learned_from_an_answer_and_not_from_trouble(alice: Home, carol: Stranger) -> None:
    """http-signatures §5: what "worked" is remembered; a server that fails as it is asked again said nothing of it."""
    await _followed_by(alice, carol)

    async def in_trouble(item: Received) -> web.StreamResponse:
        return web.Response(status=401 if item.dialect == "cavage" else 503)

    carol.place.answer = in_trouble
    await alice.node.owner.post(Draft("once"))
    await _failed(alice, carol.place)
    assert [item.dialect for item in carol.place.received] == ["cavage", "rfc9421"]
    carol.place.answer = 202
    await _later(alice, timedelta(minutes=2))
    await _came(carol.place, 3)
    assert carol.place.received[2].dialect == "cavage"


async def test_the_other_dialect_is_tried_once_and_remembered(alice: Home, carol: Stranger) -> None:
    """http-signatures §5: on 401 repeat once with the other scheme; remember what worked per origin."""
    await _followed_by(alice, carol)

    async def only_new(item: Received) -> web.StreamResponse:
        return web.Response(status=202 if item.dialect == "rfc9421" else 401)

    carol.place.answer = only_new
    for number in range(3):
        await alice.node.owner.post(Draft(f"knock {number}"))
        await alice.quiet()
    assert [item.dialect for item in carol.place.received] == ["cavage", "rfc9421", "rfc9421", "rfc9421"]
    await alice.restart()
    carol.place.received.clear()
    await alice.node.owner.post(Draft("knock again"))
    await alice.quiet()
    assert [item.dialect for item in carol.place.received] == ["rfc9421"]


async def test_a_server_that_blocks_us_does_not_cost_two_requests_each_time(alice: Home, carol: Stranger) -> None:
    """http-signatures §5: ">1 knock per origin per minute" never; 401 is tried again later."""
    await _followed_by(alice, carol)
    carol.place.answer = 401
    await alice.node.owner.post(Draft("let me in"))
    await _failed(alice, carol.place)
    assert [item.dialect for item in carol.place.received] == ["cavage", "rfc9421"]
    await alice.node.owner.post(Draft("please"))
    await asyncio.sleep(0.2)
    assert len(carol.place.received) == 2


# ── what is sent ─────────────────────────────────────────────────────────────────────────────


async def test_every_attempt_sends_the_same_bytes_under_a_new_signature(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "store the exact body bytes once; sign each attempt afresh"."""
    await _followed_by(alice, carol)
    carol.place.answer = 503
    posted = await alice.node.owner.post(Draft("twice the same"))
    await _failed(alice, carol.place)
    carol.place.answer = 202
    await _later(alice, timedelta(seconds=70))
    await _came(carol.place, 2)
    first, second = carol.place.received
    assert first.body == second.body
    assert first.headers["Signature"] != second.headers["Signature"]
    assert first.headers["Date"] != second.headers["Date"]
    served = await carol.get(f"{posted.post.note.iri}/activity")
    assert served.body == first.body
    assert first.headers["Content-Type"] == "application/activity+json"


# ── stopped and started ──────────────────────────────────────────────────────────────────────


async def test_a_clean_restart_in_the_middle_sends_everything_once(alice: Home, carol: Stranger) -> None:
    """Deliver: "nothing is sent twice by a clean restart"."""
    await _followed_by(alice, carol)

    async def slowly(_item: Received) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.Response(status=202)

    carol.place.answer = slowly
    posts = [await alice.node.owner.post(Draft(f"number {number}")) for number in range(40)]
    await _came(carol.place, 3)
    for _ in range(3):
        await alice.restart()
    await _came(carol.place, 40)
    await alice.quiet()
    assert sorted(carol.place.ids()) == sorted(alice.node.ids.create(one.post.note.iri) for one in posts)


async def test_what_another_process_wrote_is_sent_within_a_second(alice: Home, carol: Stranger) -> None:
    """The command line writes to the store beside the node; the node notices.

    The best of some tries: what else the machine does meanwhile is not the node's doing.
    """
    await _followed_by(alice, carol)
    took: list[float] = []
    async with app.opened(alice.settings, clock=alice.clock) as beside:
        while len(took) < 6 and min(took, default=9.0) >= 1:
            await beside.owner.post(Draft(f"from the shell, {len(took)}"))
            started = asyncio.get_running_loop().time()
            await _came(carol.place, len(took) + 1)
            took.append(asyncio.get_running_loop().time() - started)
    assert min(took) < 1, took


async def test_rows_of_a_dead_worker_are_taken_up_at_the_start(alice: Home, carol: Stranger) -> None:
    """kill -9 at any moment loses no delivery: leases of the same name are free again."""
    await _followed_by(alice, carol)
    await carol.place.hang_up()
    await alice.node.owner.post(Draft("left behind"))
    await _failed(alice, carol.place)
    await alice.stop()
    alice.clock.forward(timedelta(hours=1))
    store = Store(alice.settings.database)
    async with store.write() as tx:  # as it is after a kill: with a clean stop nothing would be held any more
        assert await queue.claim(tx, app.MAIN, alice.clock(), limit=10)
    await store.close()
    await carol.place.listen()
    await alice.start()
    await _came(carol.place, 1)
    await alice.quiet()


async def test_what_takes_long_stays_in_the_hand_that_holds_it(alice: Home, carol: Stranger) -> None:
    """decisions.md §17: another worker takes up what nobody holds any more, and not what is under way."""
    await _followed_by(alice, carol)
    carol.place.answer = never
    await alice.node.owner.post(Draft("are you still reading?"))
    await _came(carol.place, 1)
    for _ in range(2):
        alice.clock.forward(queue.LEASE - timedelta(seconds=10))
        await alice.node.delivery.renew()
    async with alice.node.store.write() as tx:
        assert await queue.claim(tx, "another", alice.clock(), limit=10) == []
        assert await queue.claim(tx, "another", alice.clock() + queue.LEASE, limit=10)


async def test_a_clean_stop_leaves_nothing_in_its_hand(alice: Home, carol: Stranger) -> None:
    """decisions.md §17: what a worker was about to send when it was stopped is there for the others at once."""
    await _followed_by(alice, carol)

    async def slowly(_item: Received) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.Response(status=202)

    carol.place.answer = slowly
    for number in range(5):
        await alice.node.owner.post(Draft(f"about to go {number}"))
    await _came(carol.place, PER_HOST)
    await alice.stop()
    store = Store(alice.settings.database)
    async with store.write() as tx:
        left = await queue.claim(tx, "another", alice.clock(), limit=10)
    await store.close()
    assert len(left) == 5 - len(carol.place.received)
    assert left


async def test_a_locked_database_does_not_make_us_say_it_twice(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was delivered while the outcome could not be written is settled later, not sent again."""
    await alice.stop()
    monkeypatch.setattr("node.storage.store.BUSY_MS", 200)
    await alice.start()
    await _followed_by(alice, carol)
    other = sqlite3.connect(alice.settings.data / "cuicui.db", isolation_level=None)
    held = asyncio.Event()

    async def lock_first(_item: Received) -> web.StreamResponse:
        other.execute("BEGIN EXCLUSIVE")
        held.set()
        return web.Response(status=202)

    carol.place.answer = lock_first
    await alice.node.owner.post(Draft("only once"))
    await held.wait()
    carol.place.answer = 202
    await asyncio.sleep(1)
    other.execute("ROLLBACK")
    other.close()
    await alice.quiet()
    alice.clock.forward(timedelta(minutes=10))
    alice.node.delivery.wake()
    await asyncio.sleep(0.2)
    assert len(carol.place.received) == 1


async def test_a_follower_on_a_port_where_nobody_listens_is_no_reason_to_wait(alice: Home, carol: Stranger) -> None:
    """Refused connections fail at once and are told apart from refused deliveries."""
    carol.extra = {"inbox": f"{carol.iri}/inbox"}
    await _followed_by(alice, carol)
    port = free_port()
    assert port != carol.place.port
    await carol.place.hang_up()
    await alice.node.owner.post(Draft("hello?"))
    assert (await _failed(alice, carol.place)).failures == 1


def test_the_digest_is_of_the_bytes() -> None:
    """RFC 3230: the digest that a receiver recomputes."""
    assert httpsig.body_digest(b"{}") == base64.b64encode(hashlib.sha256(b"{}").digest()).decode()


class _Lingering:
    """The store, read no sooner than `gate` is open: a slow disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        self.asked.set()
        await self.gate.wait()
        async with self._store.read() as tx:
            yield tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Written(_Lingering):
    """The store, written no sooner than `gate` is open."""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        self.asked.set()
        await self.gate.wait()
        async with self._store.write() as tx:
            yield tx


async def test_the_next_try_does_not_wait_for_one_who_looked_before_the_last_was_written_down(
    alice: Home, carol: Stranger
) -> None:
    """federation.md §9: tried again after a minute, not when somebody happens to look."""
    await _followed_by(alice, carol)
    carol.place.answer = 503
    delivery = alice.node.delivery
    delivery._outcomes._store = disk = _Written(delivery._outcomes._store)  # type: ignore[assignment]
    await alice.node.owner.post(Draft("once more"))
    await asyncio.wait_for(disk.asked.wait(), 5)
    carol.place.answer = 202
    await _later(alice, timedelta(hours=2))
    await asyncio.sleep(0.2)
    disk.gate.set()
    await _came(carol.place, 2)
    await alice.quiet()


class _Stumbling(_Lingering):
    """The store, whose next writing fails in a way that nobody foresaw."""

    left = 1

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        if self.left:
            self.left -= 1
            raise OverflowError("a number that no column takes")
        async with self._store.write() as tx:
            yield tx


async def test_an_outcome_is_kept_until_it_is_written_whatever_went_wrong(alice: Home, carol: Stranger) -> None:
    """Deliver: neither lost nor sent twice. Held in memory and never written, its row would stay in our hands."""
    await _followed_by(alice, carol)
    delivery = alice.node.delivery
    delivery._outcomes._store = disk = _Stumbling(delivery._outcomes._store)  # type: ignore[assignment]
    await alice.node.owner.post(Draft("only once"))
    await alice.quiet()
    assert (disk.left, len(carol.place.received), delivery._held) == (0, 1, set())


async def test_a_host_that_is_done_while_another_is_looked_up_is_not_lost(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """A job for a host whose last delivery ends just then is delivered, and the deliverer goes on."""
    await _followed_by(alice, carol, mallory)
    let_go = asyncio.Event()

    async def slowly(_request: Received) -> web.StreamResponse:
        await let_go.wait()
        return web.Response(status=202)

    carol.place.answer = slowly
    await alice.node.owner.post(Draft(f"for {carol.handle} alone", visibility=Visibility.DIRECT))
    await _came(carol.place, 1)
    delivery = alice.node.delivery
    store = delivery._store
    disk = _Lingering(store)
    delivery._store = disk  # type: ignore[assignment]
    try:
        await alice.node.owner.post(Draft("for both"))
        await asyncio.wait_for(disk.asked.wait(), 5)
        let_go.set()
        await asyncio.sleep(0.2)
    finally:
        disk.gate.set()
        delivery._store = store
    await _came(carol.place, 2)
    await _came(mallory.place, 1)


class _Failing(_Lingering):
    """The store, of which the next reading fails: a disk that gives an error once."""

    left = 1

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        if self.left:
            self.left -= 1
            raise StoreError("the disk gave an error")
        async with self._store.read() as tx:
            yield tx


async def test_what_cannot_be_looked_up_once_is_sent_all_the_same(alice: Home, carol: Stranger) -> None:
    """Deliver: "no delivery lost". An error of the database between the commit and the sending is not the end of it."""
    await _followed_by(alice, carol)
    delivery = alice.node.delivery
    store = delivery._store
    disk = _Failing(store)
    delivery._store = disk  # type: ignore[assignment]
    try:
        await alice.node.owner.post(Draft("in spite of the disk"))

        async def tried() -> bool:
            return disk.left == 0

        await eventually(tried)
    finally:
        delivery._store = store
    await _came(carol.place, 1)
    await alice.quiet()
    assert len(carol.place.received) == 1


class _Unwritable(_Lingering):
    """The store, which cannot be written while `full`: a disk without room."""

    full = False
    refused = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        if self.full:
            self.refused += 1
            raise StoreError("the disk is full")
        async with self._store.write() as tx:
            yield tx

    def read(self) -> Any:
        return self._store.read()


@pytest.mark.parametrize("for_", [timedelta(), timedelta(minutes=3)], ids=["for a moment", "longer than a lease"])
async def test_what_was_delivered_while_the_disk_was_full_is_not_sent_again(
    alice: Home, carol: Stranger, for_: timedelta
) -> None:
    """What was delivered is settled when that can be written, whoever else wanted to write meanwhile, and failed."""
    await _followed_by(alice, carol)
    delivery = alice.node.delivery
    store = delivery._store
    disk = _Unwritable(store)
    delivery._store = delivery._outcomes._store = disk  # type: ignore[assignment]

    async def fill(_item: Received) -> web.StreamResponse:
        disk.full = True
        return web.Response(status=202)

    carol.place.answer = fill
    try:
        await alice.node.owner.post(Draft("only once"))

        async def unsettled() -> bool:
            return disk.refused > 0

        await eventually(unsettled)
        carol.place.answer = 202
        before = disk.refused
        await _later(alice, for_)

        async def both_failed() -> bool:
            return disk.refused > before

        await eventually(both_failed)
        disk.full = False
        await alice.quiet()
    finally:
        delivery._store = delivery._outcomes._store = store
    await asyncio.sleep(0.2)
    assert len(carol.place.received) == 1


async def _patient(_item: Received) -> web.StreamResponse:
    """A yes that takes as long as one may wait for it."""
    await asyncio.sleep(20)
    return web.Response(status=202)


@pytest.mark.parametrize("written_by", ["the node", "another process"])
async def test_a_slow_server_with_many_followers_leaves_room_for_what_others_are_owed(
    alice: Home, carol: Stranger, mallory: Stranger, written_by: str
) -> None:
    """Deliver: "slow ones delay only themselves", also when more is owed to one of them than is held in memory."""
    await alice.stop()
    alice.settings = replace(alice.settings, deliveries_at_once=2)
    await alice.start()
    crowd = [mallory.place.stranger(f"m{number}") for number in range(14)]
    await _followed_by(alice, carol, *crowd)
    mallory.place.answer = _patient
    async with app.opened(alice.settings, clock=alice.clock) as beside:
        await (beside if written_by == "another process" else alice.node).owner.post(Draft("to everybody"))
        await _came(carol.place, 1)
        await beside.owner.post(Draft("once more, from the shell"))
        await _came(carol.place, 2)
    assert len(mallory.place.received) <= 2


async def test_a_name_that_leads_astray_for_a_while_loses_nothing(alice: Home, carol: Stranger) -> None:
    """federation.md §9: "DNS … retry". A hotel's network, or a name server's mistake, answers every name with an
    address of its own: nothing is sent there, and nobody has said no."""
    await _followed_by(alice, carol)
    await carol.place.hang_up()  # no connection is left over
    await carol.place.listen()
    client = alice.node.client
    usual = client._guard
    client._guard = Guard(networks(["10.9.9.0/24"]))  # so loopback is no address that may be dialled
    await alice.node.owner.post(Draft("from the hotel"))
    await _failed(alice, carol.place)
    assert carol.place.received == []
    client._guard = usual
    await _later(alice, timedelta(minutes=2))
    await _came(carol.place, 1)


async def test_an_address_to_which_there_is_no_way_is_given_up_at_once(alice: Home, carol: Stranger) -> None:
    """decisions.md §20: no time makes a port of another service one of ours."""
    await _followed_by(alice, carol)
    async with alice.node.store.write() as tx:
        await tx.execute(update(schema.actors).values(inbox="http://127.0.0.1:22/inbox"))
    await alice.node.owner.post(Draft("to nobody"))
    await alice.quiet()


async def test_a_block_holds_for_what_is_on_its_way_to_its_line(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """Blocks "hold everywhere": also between the commit of a post and the moment at which its host is looked up."""
    await _followed_by(alice, carol, mallory)
    delivery = alice.node.delivery
    store = delivery._store
    disk = _Lingering(store)
    delivery._store = disk  # type: ignore[assignment]
    try:
        await alice.node.owner.post(Draft("not for mallory"))
        await asyncio.wait_for(disk.asked.wait(), 5)
        await alice.node.moderation.block(mallory.handle)
    finally:
        disk.gate.set()
        delivery._store = store
    await _came(carol.place, 1)
    await alice.quiet()
    assert mallory.place.of_type("Create") == []
