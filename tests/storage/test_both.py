"""What the storage functions promise, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from keys import Identity
from node.errors import Malformed, StoreError
from node.federation import parse
from node.ids import Snowflake
from node.model import (
    Actor,
    ActorKey,
    Audience,
    Authorship,
    Draft,
    Iri,
    KeyKind,
    KeyState,
    Note,
    Trust,
    Verdict,
    Visibility,
)
from node.storage import (
    activities,
    actors,
    arrivals,
    chores,
    hosts,
    notes,
    queue,
    refusals,
    relations,
    schema,
    timelines,
)
from node.storage import store as store_module
from node.storage.activities import Logged
from node.storage.dialect import Tx, rounded
from node.storage.migrate import migrate
from node.storage.onehop import OneHopConnection
from node.storage.queue import Retry
from node.storage.refusals import Refusal
from node.storage.relations import State
from node.storage.schema import queue as queue_table
from node.storage.store import Store
from tests.stories.test_following import befriend
from tests.support.homes import eventually, settle_in
from tests.support.postgres import Postgres

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HER = Iri("https://remote.example/users/her")
HIM = Iri("https://remote.example/users/him")
flakes = Snowflake(7)


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    async with empty_store.write() as tx:
        for iri in (HER, HIM):
            who = Actor(iri, "Person", iri.rpartition("/")[2], Iri(f"{iri}/inbox"), followers=Iri(f"{iri}/followers"))
            await actors.put(tx, who, id=flakes.mint(NOW), at=NOW, document=b"{}")
    return empty_store


def _logged(name: str, *, object_: str | None = None, actor: Iri = HER) -> Logged:
    iri = Iri(f"https://remote.example/activities/{name}")
    return Logged(iri, "in", actor, "Create", Iri(object_) if object_ else None, NOW, b"\x00\xff{}", (("date", "x"),))


async def _note(store: Store, name: str, author: Iri = HER, *, at: datetime = NOW) -> notes.NewNote:
    async with store.read() as tx:
        brief = (await actors.briefs(tx, [author]))[author]
    iri = Iri(f"https://remote.example/notes/{name}")
    return notes.NewNote(
        id=flakes.mint(at),
        note=Note(iri, author, Audience((author,)), f"<p>{name}</p>", published=at),
        author_id=brief.id,
        visibility=Visibility.PUBLIC,
        published=at,
        received_at=at,
        authorship=Authorship(Verdict.VOUCHED, "because"),
        activity=None,
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ([], "[]"),
        (
            [["a", "ü\u2028\x7f"], {"b": None, "c": [True, 1, -0.25, 1.5]}],
            '[["a","ü\u2028\x7f"],{"b":null,"c":[true,1,-0.25,1.5]}]',
        ),
        (['"\\/\n\x01'], '["\\"\\\\/\\n\\u0001"]'),
        ({1: 2**70}, f'{{"1":{2**70}}}'),  # what the quick writer does not write
        (["\ud800"], '["\ud800"]'),
    ],
)
def test_lists_are_kept_in_the_shortest_json(value: object, written: str):
    """A column of lists holds what Python's json writes, without blanks, whichever of two writers writes it."""
    assert store_module._json(value) == written == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def test_nothing_true_and_bytes_are_bound_as_themselves(store: Store):
    """Through sqlite3's adapters nothing changes its type on the way into the database."""
    if not store.is_sqlite:
        pytest.skip("sqlite3's adapters are SQLite's")
    async with store.read() as tx:
        asked = await tx.exec_driver_sql(
            "SELECT typeof(?), typeof(?), ?, typeof(?), ?", (None, True, True, b"\0", b"\0")
        )
        assert tuple(asked.one()) == ("null", "integer", 1, "blob", b"\0")


async def test_bytes_come_back_as_they_went_in(store: Store) -> None:
    """decisions.md §8: evidence is bytes."""
    async with store.write() as tx:
        await activities.record_many(tx, [_logged("1"), _logged("1"), _logged("2")])
        await activities.record_many(tx, [replace(_logged("1"), body=b"other")])
    async with store.read() as tx:
        assert await activities.get(tx, _logged("1").iri) == _logged("1")
        seen = await activities.senders(tx, [_logged("2").iri, Iri("https://x.example/")])
    assert seen == {_logged("2").iri: _logged("2").actor}


@pytest.mark.parametrize("many", [0, 1, 7, 8, 9, 128, 300])
async def test_as_many_as_are_asked_for_are_found(store: Store, many: int) -> None:
    """What is asked for each batch is asked of all its activities at once, however many they are."""
    there = [_logged(str(number)) for number in range(many)]
    async with store.write() as tx:
        await activities.record_many(tx, there)
        seen = await activities.senders(tx, [one.iri for one in there] + [Iri("https://x.example/")] * (many % 2))
        assert seen == {one.iri: HER for one in there}
        assert await notes.known(tx, {one.iri: HER for one in there}) == set()
        both = await actors.briefs(tx, [HER, HIM, *(one.iri for one in there)])
    assert {iri: brief.followers for iri, brief in both.items()} == {
        HER: f"{HER}/followers",
        HIM: f"{HIM}/followers",
    }


def test_few_lengths_of_lists_are_asked_for() -> None:
    """A list in a statement is lengthened to a power of two by what is in it: so there are few statements to keep."""
    lengths = [len(rounded(range(length))) for length in (0, 1, 8, 9, 16, 17, 1000, 4096, 4097, 30_000)]
    assert lengths == [0, 8, 8, 16, 16, 32, 1024, 4096, 4097, 30_000]
    assert rounded([3, 1, 2]) == [3, 1, 2, 2, 2, 2, 2, 2]


async def test_what_the_database_refuses_is_said_in_its_words(store: Store) -> None:
    """A row that breaks a rule is a StoreError and nothing of it stays, also where SQLAlchemy is not asked."""
    nobodys = replace(await _note(store, "1"), author_id=404)

    async def write() -> None:
        async with store.write() as tx:
            await activities.record_many(tx, [_logged("1")])
            await notes.add_many(tx, [nobodys])

    with pytest.raises(StoreError, match=r"the database refused: .*(?i:foreign key)"):
        await write()
    async with store.read() as tx:
        assert await activities.get(tx, _logged("1").iri) is None


async def test_one_row_of_many_can_be_taken_back(store: Store) -> None:
    """Within a savepoint of its own, one that fails leaves its neighbours as they are."""
    nobodys = replace(await _note(store, "1"), author_id=404)

    async def fail(tx: Tx) -> None:
        async with tx.begin_nested():
            await activities.record_many(tx, [_logged("2")])
            await notes.add_many(tx, [nobodys])

    async with store.write() as tx:
        await activities.record_many(tx, [_logged("1")])
        with pytest.raises(IntegrityError):
            await fail(tx)
        await activities.record_many(tx, [_logged("3")])
    async with store.read() as tx:
        there = await activities.senders(tx, [_logged(name).iri for name in "123"])
    assert set(there) == {_logged("1").iri, _logged("3").iri}


async def test_what_fails_half_way_leaves_nothing(store: Store) -> None:
    """A transaction is whole or not at all."""

    async def stumble() -> None:
        async with store.write() as tx:
            await activities.record_many(tx, [_logged("1")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await stumble()
    async with store.read() as tx:
        assert await activities.get(tx, _logged("1").iri) is None


@pytest.mark.parametrize("times", [1, 2])
async def test_who_is_cancelled_while_writing_leaves_nothing_and_hinders_nobody(store: Store, times: int) -> None:
    """A transaction that is cancelled, once or again while it is rolled back, is gone; the next one begins anew."""
    under_way = asyncio.Event()

    async def write() -> None:
        async with store.write() as tx:
            await activities.record_many(tx, [_logged("1")])
            under_way.set()
            while True:
                await activities.senders(tx, [_logged("1").iri])

    for _ in range(3):
        under_way.clear()
        writing = asyncio.create_task(write())
        await asyncio.wait_for(under_way.wait(), 20)
        for _ in range(times):
            writing.cancel()
            await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.gather(writing, return_exceptions=True), 20)
        assert writing.cancelled()
        async with asyncio.timeout(20), store.write() as tx:
            assert await activities.get(tx, _logged("1").iri) is None
            await activities.record_many(tx, [_logged("2")])
    await asyncio.wait_for(store.foreign_changes(), 20)
    async with asyncio.timeout(20), store.read() as tx:
        assert set(await activities.senders(tx, [_logged(name).iri for name in "12"])) == {_logged("2").iri}


async def test_who_reads_and_reads_again_within_is_told_and_not_left_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many hold a connection, and each wants another: it is an error, and no node that stands still for good."""
    store = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    async with store.read():  # several at once cannot make a new file one with a log
        pass
    monkeypatch.setattr(store_module, "WAIT_TO_READ", 0.1)
    all_hold_one = asyncio.Barrier(store_module.READERS)

    async def twice() -> None:
        async with store.read():
            await all_hold_one.wait()
            async with store.read():
                pass

    async with asyncio.timeout(20):
        ends = await asyncio.gather(*(twice() for _ in range(store_module.READERS)), return_exceptions=True)
        assert {type(end) for end in ends} <= {StoreError, type(None)}
        assert any(ends)
        for _ in range(2 * store_module.READERS):
            async with store.read() as tx:
                assert (await tx.execute(select(1))).scalar_one() == 1
    await store.close()


async def test_a_connection_that_is_told_twice_to_end_ends() -> None:
    """As where somebody is cancelled who waits for its end: nobody is left who waits for a thread that is over."""
    connection = OneHopConnection(lambda: sqlite3.connect(":memory:", check_same_thread=False), writes=True)
    await connection
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    connection.stop()
    async with asyncio.timeout(20):
        await closing


async def test_concurrent_writers_wait_for_each_other(store: Store) -> None:
    """house.md: with BEGIN IMMEDIATE, read-then-write transactions lose nothing."""

    async def one_more(number: int) -> None:
        async with store.write() as tx:
            before = await refusals.newest(tx)
            await asyncio.sleep(0)
            await refusals.add_many(tx, [Refusal(NOW, "h", None, str(len(before)), "m")])

    await asyncio.gather(*(one_more(number) for number in range(20)))
    async with store.read() as tx:
        assert {row.code for row in await refusals.newest(tx)} == {str(number) for number in range(20)}


async def test_readers_wait_for_their_turn_and_see_what_was_written(store: Store) -> None:
    """However many there are, and where some of them fail: each has one view from its beginning to its end."""
    async with store.write() as tx:
        await refusals.add_many(tx, [Refusal(NOW, "h", None, "c", "m")])
    views: list[list[int]] = []

    async def read(number: int) -> None:
        async with store.read() as tx:
            seen = []
            for _ in range(2):
                seen.append(len(await refusals.newest(tx)))
                await asyncio.sleep(0.01)
            if number % 3 == 0:
                raise ZeroDivisionError
            views.append(seen)

    many = 3 * store_module.READERS
    async with asyncio.timeout(20):
        found = await asyncio.gather(*map(read, range(many)), return_exceptions=True)
        assert [type(one) for one in found] == [ZeroDivisionError, type(None), type(None)] * store_module.READERS
        async with store.write() as tx:
            await refusals.add_many(tx, [Refusal(NOW, "h", None, "c", "m")])
        await asyncio.gather(*map(read, range(1, many, 3)))
    assert views == [[1, 1]] * (2 * store_module.READERS) + [[2, 2]] * store_module.READERS


async def test_who_only_reads_writes_nothing(tmp_path: Path) -> None:
    """Nobody waits for the end of a transaction that reads, so nothing may hang on it."""
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    await migrate(store, snapshots=None, now=NOW)
    with pytest.raises(StoreError, match="cannot be written"):
        async with store.read() as tx:
            await refusals.add_many(tx, [Refusal(NOW, "h", None, "c", "m")])
    await store.close()


async def test_deliveries_are_claimed_once_in_order_and_given_back(store: Store) -> None:
    """The queue is rows: leased, settled, released; a dead worker's lease ends by itself."""
    inboxes = [Iri(f"https://h{number % 3}.example/inbox/{number}") for number in range(9)]
    async with store.write() as tx:
        await activities.record_many(tx, [_logged("1")])
        await queue.put(tx, _logged("1").iri, HER, b"{}", [*inboxes, *inboxes], NOW)
        first = await queue.claim(tx, "one", NOW, limit=4)
        second = await queue.claim(tx, "two", NOW, limit=10)
        assert [job.inbox for job in [*first, *second]] == inboxes
        assert await queue.claim(tx, "three", NOW, limit=10) == []
        assert len(await queue.claim(tx, "three", NOW + queue.LEASE * 2, limit=2)) == 2
        assert await queue.release(tx, "three") == 2
        await queue.settle(tx, [first[2].id], [Retry(first[3].id, NOW + timedelta(hours=1), "no" * 900)])
        assert await queue.waiting(tx) == 8
        owed = {row.inbox: row for row in await queue.overview(tx)}
        assert (owed[first[3].inbox].attempts, len(owed[first[3].inbox].error or "")) == (1, 500)
        assert await queue.drop_origin(tx, "https://h0.example") >= 2


async def test_who_sends_what_was_taken_back_settles_nothing_else(store: Store) -> None:
    """A number is never used again: else the end of a delivery that a block took back is the end of the next one."""
    async with store.write() as tx:
        await activities.record_many(tx, [_logged("1"), _logged("2")])
        await queue.put(tx, _logged("1").iri, HER, b"{}", [Iri("https://h.example/inbox")], NOW)
        [under_way] = await queue.claim(tx, "one", NOW, limit=4)
        assert await queue.drop_origin(tx, "https://h.example") == 1
        await queue.put(tx, _logged("2").iri, HER, b"{}", [Iri("https://other.example/inbox")], NOW)
        await queue.settle(tx, [under_way.id], [])
        [left] = await queue.claim(tx, "one", NOW, limit=4)
        assert left.activity == _logged("2").iri


async def test_one_host_does_not_fill_a_batch(store: Store) -> None:
    """security.md §10: per-host fairness."""
    async with store.write() as tx:
        await activities.record_many(tx, [_logged("1")])
        many = [Iri(f"https://big.example/{number}") for number in range(30)]
        await queue.put(tx, _logged("1").iri, HER, b"{}", [*many, Iri("https://small.example/inbox")], NOW)
        claimed = await queue.claim(tx, "w", NOW, limit=10, per_origin=5)
    assert "https://small.example" in {job.origin for job in claimed}


async def test_a_deleted_activity_is_owed_to_nobody(store: Store) -> None:
    """What is taken back is not sent any more."""
    async with store.write() as tx:
        note = "https://remote.example/notes/1"
        await activities.record_many(tx, [_logged("1", object_=note), _logged("2", object_=note, actor=HIM)])
        await queue.put(tx, _logged("1").iri, HER, b"{}", [Iri("https://h.example/inbox")], NOW)
        await activities.forget_content(tx, Iri(note), by=HER, but=Iri("https://remote.example/activities/9"))
        assert (await tx.execute(select(func.count()).select_from(queue_table))).scalar_one() == 0
        assert await activities.get(tx, _logged("2").iri) is not None


async def test_a_note_is_stored_once_and_buried_by_its_author(store: Store) -> None:
    """security.md §2: a known id is left as it is; only the author deletes; a tombstone remembers."""
    first, again = await _note(store, "1"), await _note(store, "1")
    async with store.write() as tx:
        await notes.add_many(tx, [first])
        await notes.add_many(tx, [replace(again, note=replace(again.note, content="<p>other</p>"))])
        stored = await notes.get(tx, first.note.iri)
        assert stored is not None
        assert stored.note.content == "<p>1</p>"
        assert stored.note == replace(first.note, audience=stored.note.audience)
        assert not await notes.bury(tx, notes.Tombstone(first.note.iri, HIM, "Note", NOW, True))
        assert await notes.bury(tx, notes.Tombstone(first.note.iri, HER, "Note", NOW, True))
        assert await notes.get(tx, first.note.iri) is None
        assert await notes.known(tx, {first.note.iri: HER}) == {first.note.iri}
        assert await notes.known(tx, {first.note.iri: HIM}) == set()
        assert not await notes.bury(tx, notes.Tombstone(first.note.iri, HIM, "Note", NOW, True))
        gone = await notes.tombstone(tx, first.note.iri)
    assert gone is not None
    assert gone.author == HER


async def test_a_number_that_is_taken_is_an_error(store: Store) -> None:
    """What was accepted must not be dropped in silence."""
    first, second = await _note(store, "1"), await _note(store, "2")
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        async with store.write() as tx:
            await notes.add_many(tx, [first, replace(second, id=first.id)])


async def test_home_is_paged_by_number(store: Store) -> None:
    """style.md §11: "Lists are paged by key (before, after), never by offset"."""
    made = [await _note(store, str(number), at=NOW + timedelta(seconds=number)) for number in range(25)]
    async with store.write() as tx:
        await notes.add_many(tx, made)
        await notes.show_at_home(tx, [(one.id, one.author_id) for one in made])
    async with store.read() as tx:
        first = await timelines.home_posts(tx, limit=10)
        second = await timelines.home_posts(tx, before=first[-1].id, limit=10)
        newer = await timelines.home_posts(tx, after=first[2].id, limit=10)
    assert [post.id for post in [*first, *second]] == sorted([one.id for one in made], reverse=True)[:20]
    assert [post.id for post in newer] == [post.id for post in first[:2]]


async def test_whose_a_key_id_is_can_be_asked_and_settled(store: Store) -> None:
    """Keys of others under the same id are found whatever their state, and go without those of its owner."""
    shared, own = Iri(f"{HER}#key"), Iri(f"{HIM}#key")
    multikeys = [Identity.from_seed(bytes([number] * 32)).public.multikey for number in range(3)]
    async with store.write() as tx:
        for key_id, owner, material, state in zip(
            (shared, shared, own),
            (HER, HIM, HIM),
            multikeys,
            (KeyState.PINNED, KeyState.RETIRED, KeyState.PINNED),
            strict=True,
        ):
            key = ActorKey(key_id, owner, KeyKind.ED25519, material)
            await actors.add_key(tx, key, since=NOW, trust=Trust.FIRST_USE, state=state)
        assert await actors.other_holders(tx, [shared, own], HER) == {shared: {HIM}, own: {HIM}}
        assert await actors.other_holders(tx, [shared, own], HIM) == {shared: {HER}}
        await actors.take_key_id(tx, shared, HER)
        assert [key.material for key in await actors.keys_of(tx, HER)] == multikeys[:1]
        assert [key.material for key in await actors.keys_of(tx, HIM)] == multikeys[2:]


async def test_relations_keep_their_beginning(store: Store) -> None:
    """A repeated Follow does not make a follower newer; a rejected one is not counted."""
    async with store.write() as tx:
        await relations.put_follower(tx, HER, Iri("https://remote.example/f/1"), State.ACCEPTED, NOW)
        later = NOW + timedelta(days=1)
        await relations.put_follower(tx, HER, Iri("https://remote.example/f/2"), State.ACCEPTED, later)
        await relations.start_follow(tx, HIM, Iri("https://here.example/f/1"), NOW)
        one = await relations.follower(tx, HER)
        assert one is not None
        assert (one.since, one.activity) == (NOW, "https://remote.example/f/2")
        assert await relations.count(tx) == (1, 0)
        await relations.settle_follow(tx, HIM, State.ACCEPTED)
        assert [one.actor for one in await relations.list_follows(tx)] == [HIM]
        assert await relations.follower_inboxes(tx) == [f"{HER}/inbox"]
        await actors.mark_gone(tx, HER, NOW)
        assert await relations.follower_inboxes(tx) == []
        await actors.mark_back(tx, HER)
        assert await relations.follower_inboxes(tx) == [f"{HER}/inbox"]


async def test_arrivals_are_tried_and_parked(store: Store) -> None:
    """Tried again in time, and parked with the reason at last."""
    async with store.write() as tx:
        for _ in range(2):
            await arrivals.put(
                tx, activity=_logged("1").iri, actor=HER, body=b"{}", headers=(("a", "b"),), key_id=HER,
                received_at=NOW, next_at=NOW,
            )  # fmt: skip
        (due,) = await arrivals.due(tx, NOW)
        assert (due.body, due.headers) == (b"{}", (("a", "b"),))
        await arrivals.postpone(tx, due.id, None, "x" * 900)
        assert await arrivals.due(tx, NOW + timedelta(days=9)) == []
        assert await arrivals.waiting(tx) == (0, 1)
        await arrivals.done(tx, due.id)
        assert await arrivals.waiting(tx) == (0, 0)


async def test_why_something_failed_can_be_written_down_whatever_it_quotes(store: Store) -> None:
    """house.md: "parked after three tries with its reason". One that could not be written would keep what failed the
    first to be tried, for ever."""
    odd = "answered \udcff\0 \N{BIRD}"
    told = "answered \\udcff\\0 \N{BIRD}"
    async with store.write() as tx:
        await activities.record_many(tx, [_logged("1")])
        await queue.put(tx, _logged("1").iri, HER, b"{}", [Iri("https://h.example/inbox")], NOW)
        [job] = await queue.claim(tx, "one", NOW, limit=1)
        await queue.settle(tx, [], [Retry(job.id, NOW, odd)])
        await arrivals.put(
            tx, activity=_logged("1").iri, actor=HER, body=b"{}", headers=(), key_id=HER, received_at=NOW, next_at=NOW,
            error=odd,
        )  # fmt: skip
        [arrival] = await arrivals.due(tx, NOW)
        await arrivals.postpone(tx, arrival.id, None, odd)
        await chores.plan(tx, chores.POLL, HER, NOW)
        [chore] = await chores.due(tx, NOW, errands=True)
        await chores.postpone(tx, chore.id, None, odd, state={})
        for table in (schema.queue, schema.arrivals, schema.chores):
            assert (await tx.execute(select(table.c.last_error))).scalars().all() == [told], table.name


@pytest.mark.parametrize("letters", [range(0x61, 0x7B), range(0x20000, 0x21000)])
async def test_the_longest_ids_are_kept(store: Store, letters: range) -> None:
    """Whatever is read as an id can be written down, and told apart, wherever ids are keys (security.md §4)."""
    draw = Random(1)
    longest = Iri("")
    for length in range(1, parse.MAX_IRI):
        try:
            longest = parse.iri("https://remote.example/" + "".join(map(chr, draw.choices(letters, k=length))))
        except Malformed:
            break
    async with store.write() as tx:
        for iri in (longest, activities.apart(longest, HER)):
            await activities.record_many(tx, [replace(_logged("1"), iri=iri, object=longest)])
            await arrivals.put(
                tx, activity=iri, actor=HER, body=b"{}", headers=(), key_id=HER, received_at=NOW, next_at=NOW
            )
        await notes.bury(tx, notes.Tombstone(longest, HER, "Note", NOW, public=True))
        assert (await activities.senders(tx, [longest])) == {longest: HER}


async def test_what_is_learned_of_a_host_leaves_its_failures(store: Store) -> None:
    """Two facts about a host, from two sides, in one row."""
    failing = hosts.Host("https://h.example", failures=3, failing_since=NOW, next_at=NOW)
    async with store.write() as tx:
        await hosts.put(tx, failing)
        await hosts.learn(tx, failing.origin, "rfc9421", "rsa", "advertised", NOW)
        known = (await hosts.get_many(tx, [failing.origin]))[failing.origin]
    assert (known.failures, known.failing_since, known.dialect) == (3, NOW, "rfc9421")


@pytest.mark.parametrize("name", ["ada", "ADA", "a_a"])
async def test_handles_are_found_whatever_their_case(store: Store, name: str) -> None:
    """Names compare without case, and `_` is a letter, not a wildcard."""
    async with store.write() as tx:
        for username in ("ada", "aba"):
            iri = Iri(f"https://x.example/{username}")
            who = Actor(iri, "Person", username, Iri(f"{iri}/inbox"))
            await actors.put(tx, who, id=flakes.mint(NOW), at=NOW, document=None)
        found = await actors.find_handle(tx, name, "X.example")
    assert (found.actor.username if found else None) == (None if "_" in name else "ada")


async def test_a_node_lives_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    """decisions.md §9: "PostgreSQL by changing one URL": follow, post, answer, delete, restart."""
    alice = await settle_in(tmp_path, "alice", database_url=postgres.new())
    bob = await settle_in(tmp_path, "bob")
    try:
        await alice.start()
        await bob.start()
        await befriend(bob, alice)
        await befriend(alice, bob)
        posted = await alice.node.owner.post(Draft("from the big machine"))
        post = await eventually(lambda: bob.shows("from the big machine"))
        assert post is not None
        assert post.authorship.verdict == "signed"
        await bob.node.owner.post(Draft("heard you", in_reply_to=post.note.iri))
        assert await eventually(lambda: alice.shows("heard you"))
        await alice.restart()
        await alice.node.owner.delete(posted.post.note.iri)

        async def forgotten() -> bool:
            return await bob.shows("from the big machine") is None

        await eventually(forgotten)
        await alice.quiet()
    finally:
        await alice.stop()
        await bob.stop()
