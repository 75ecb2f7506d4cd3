"""Notifications, pushes and news for streams in the store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest_asyncio

from node.ids import Snowflake
from node.model import Actor, Audience, Authorship, Iri, Note, Notify, Tell, Verdict, Visibility, Window
from node.notify import Kind
from node.storage import actors, blocks, bookmarks, lists, notes, notifications, push, streams
from node.storage.dialect import Tx
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HER = Iri("https://remote.example/users/her")
POST = Iri("https://remote.example/notes/1")
flakes = Snowflake(7)


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    async with empty_store.write() as tx:
        her = Actor(HER, "Person", "her", Iri(f"{HER}/inbox"), followers=Iri(f"{HER}/followers"))
        await actors.put(tx, her, id=flakes.mint(NOW), at=NOW, document=b"{}")
    return empty_store


async def _post(tx: Tx, *, context: str | None = None) -> int:
    brief = (await actors.briefs(tx, [HER]))[HER]
    number = flakes.mint(NOW)
    note = Note(POST, HER, Audience((HER,)), "<p>hello</p>", published=NOW, context=context, hashtags=("Tea",))
    new = notes.NewNote(
        id=number,
        note=note,
        author_id=brief.id,
        visibility=Visibility.PUBLIC,
        published=NOW,
        received_at=NOW,
        authorship=Authorship(Verdict.VOUCHED, "because"),
        activity=None,
        for_owner=True,
    )
    await notes.add_many(tx, [new])
    await notes.show_at_home(tx, [(number, brief.id)])
    return number


async def _tell(tx: Tx, kind: Kind, number: int | None = None) -> list[Tell]:
    return await notifications.add_many(tx, [Notify(kind, HER, number)], flakes, NOW)


async def _kinds(tx: Tx) -> list[str]:
    return [item.kind.value for item in await notifications.newest(tx, Window(), NOW)]


async def test_a_notification_is_written_once_and_shown_when_it_may_be(store: Store) -> None:
    """Strangers wait, mutes hide, and what is cleared leaves the request box alone."""
    async with store.write() as tx:
        number = await _post(tx)
        assert await _tell(tx, Kind.MENTION, number) == []
        assert len(await _tell(tx, Kind.FAVOURITE, number)) == 1
        assert await _tell(tx, Kind.FAVOURITE, number) == []
        assert await _kinds(tx) == ["favourite"]
        assert await notifications.count_waiting(tx, NOW) == (1, 1)
        assert [(one.actor, one.times) for one in await notifications.requests(tx, NOW)] == [(HER, 1)]
        await notifications.clear(tx)
        await blocks.stand(tx, [HER], blocks.Standing.ALLOWED, NOW)
        assert await _kinds(tx) == ["mention"]
        assert await notifications.count_unread(tx, NOW) == 1
        await blocks.mute(tx, HER, NOW, NOW + timedelta(hours=1))
        assert await _kinds(tx) == []


async def test_nothing_is_told_of_the_blocked(store: Store) -> None:
    """What is written down while a block is being made is shown nowhere either."""
    async with store.write() as tx:
        number = await _post(tx)
        await _tell(tx, Kind.FAVOURITE, number)
        await blocks.add(tx, [blocks.Block("account", HER, NOW)])
        assert await blocks.hide(tx, NOW) == [HER]
        assert await _kinds(tx) == []
        assert await _tell(tx, Kind.REBLOG, number) == []
        assert await _tell(tx, Kind.MENTION, number) == []
        assert await _kinds(tx) == []
        assert await notifications.count_waiting(tx, NOW) == (0, 0)
        assert await notifications.requests(tx, NOW) == []
        await blocks.remove(tx, "account", [HER])
        await blocks.hide(tx, NOW)
        assert await _kinds(tx) == ["reblog"]
        assert await notifications.count_waiting(tx, NOW) == (1, 1)


async def test_a_muted_conversation_is_silent(store: Store) -> None:
    """By its context; unmuted, it is heard again."""
    async with store.write() as tx:
        number = await _post(tx, context="https://remote.example/contexts/1")
        await _tell(tx, Kind.FAVOURITE, number)
        await bookmarks.mute_thread(tx, "https://remote.example/contexts/1", NOW)
        assert await _kinds(tx) == []


async def test_pushes_are_owed_leased_and_settled(store: Store) -> None:
    """Rows like deliveries: claimed once, tried again later, gone with the notification or the subscription."""
    async with store.write() as tx:
        for token in ("a", "b"):
            await push.subscribe(
                tx,
                token,
                endpoint="https://push.example/1",
                p256dh="x",
                auth="y",
                alerts={"follow": True},
                policy="all",
                standard=True,
                at=NOW,
            )
        (told,) = await _tell(tx, Kind.FOLLOW)
        first, second = await push.claim(tx, NOW, 8)
        assert await push.claim(tx, NOW, 8) == []
        await push.retry(tx, first.id, NOW + timedelta(minutes=1), "busy")
        await push.done(tx, second.id)
        assert await push.claim(tx, NOW, 8) == []
        assert await push.next_due(tx) == NOW + timedelta(minutes=1)
        (again,) = await push.claim(tx, NOW + timedelta(minutes=2), 8)
        assert (again.id, again.attempts) == (first.id, 1)
        await push.release(tx)
        await notifications.dismiss(tx, [int(told.subject)])
        assert await push.waiting(tx) == 0
        await _tell(tx, Kind.FOLLOW)
        await push.unsubscribe(tx, "a")
        assert await push.waiting(tx) == 1


async def test_news_is_found_by_number(store: Store) -> None:
    """What was written since, and where it belongs; nothing by whom the owner mutes."""
    async with store.write() as tx:
        number = await _post(tx)
        await _tell(tx, Kind.FOLLOW)
        news = await streams.since(tx, NOW - timedelta(seconds=5))
        assert news.posts == (number,)
        assert len(news.notifications) == 1
        assert (await streams.since(tx, NOW + timedelta(seconds=5))).posts == ()
        (placed,) = await streams.posts(tx, [number], NOW)
        assert (placed.at_home, placed.public, placed.hashtags) == (True, True, {"tea"})
        assert await streams.boosts(tx, [number], NOW) != []
        assert await lists.places(tx, [number]) == {}
        await blocks.mute(tx, HER, NOW, None)
        assert await streams.posts(tx, [number], NOW) == []


async def test_what_is_told_together_is_counted_together(store: Store) -> None:
    """By kind, by post, by half a day: the number of each is the number of its time."""
    noon = notifications.begin_of(notifications.span_of(NOW))
    assert noon <= NOW < noon + notifications.GROUP_SPAN
    span = notifications.span_of(NOW)
    people = [Iri(f"https://remote.example/users/{name}") for name in ("ann", "ben", "cat")]
    async with store.write() as tx:
        number = await _post(tx)
        for who, kind, about, at in (
            (people[0], Kind.FAVOURITE, number, noon),
            (people[1], Kind.FAVOURITE, number, noon + notifications.GROUP_SPAN - timedelta(milliseconds=1)),
            (people[2], Kind.FAVOURITE, number, noon + notifications.GROUP_SPAN),
            (people[0], Kind.FOLLOW, None, NOW),
            (people[1], Kind.FOLLOW, None, NOW),
            (people[0], Kind.UPDATE, number, NOW),
        ):
            await notifications.add_many(tx, [Notify(kind, who, about)], flakes, at)
        kinds = (Kind.FAVOURITE, Kind.FOLLOW)
        assert sorted(await notifications.tally(tx, NOW, kinds, span, span), key=str) == [
            (Kind.FAVOURITE, number, span, 2),
            (Kind.FOLLOW, None, span, 2),
        ]
        assert len(await notifications.tally(tx, NOW, kinds, span, span + 1)) == 3
        first = await notifications.of_span(tx, NOW, [Kind.FAVOURITE], number, span, None)
        assert [item.actor for item in first] == [people[1], people[0]]
        assert len(await notifications.of_span(tx, NOW, [Kind.FAVOURITE], number, span, 1)) == 1
        assert len(await notifications.of_span(tx, NOW, [Kind.FOLLOW], None, span, 80)) == 2
        assert await notifications.of_span(tx, NOW, [Kind.FAVOURITE], None, span, 80) == []
        assert len(await notifications.unread(tx, NOW)) == 6
        assert len(await notifications.unread(tx, NOW, kinds=[Kind.FOLLOW])) == 2
