"""What a sweep takes along beside what it is for: nothing of people the owner knows, and nobody's place in a flood."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import delete, insert, select

from node.model import Actor, Iri, Visibility
from node.storage import actors, blocks, notes, sweep
from node.storage.blocks import Standing
from node.storage.dialect import Tx, ms
from node.storage.schema import conversations, follows, notifications
from node.storage.store import Store
from tests.storage.test_sweep import (
    AUTHOR,
    FRIEND,
    ME,
    NOW,
    OLD,
    OTHER,
    STRANGER,
    flakes,
    follow,
    here,
    meet,
    post_of,
    write,
)


@pytest.fixture
async def store(migrated_url: str) -> AsyncIterator[Store]:
    made = Store(migrated_url)
    async with made.write() as tx:
        for iri in (ME, FRIEND, STRANGER, OTHER, AUTHOR):
            await meet(tx, iri)
        await follow(tx, FRIEND)
    yield made
    await made.close()


async def _sweep(store: Store) -> None:
    async with store.read() as tx:
        terms = await sweep.terms(tx, ME, NOW, NOW - timedelta(days=30))
    for broom in sweep.BROOMS:
        async with store.write() as tx:
            found = await broom.find(tx, await sweep.stretch(tx, broom, broom.start), terms)
            await broom.remove(tx, found, terms)
    while True:
        async with store.write() as tx:
            if not await sweep.tidy(tx, terms):
                return


async def _moves(tx: Tx, old: Iri, new: Iri, *, confirmed: bool) -> None:
    await tx.execute(delete(follows).where(follows.c.actor == old))
    names = (old,) if confirmed else ()
    who = Actor(new, "Person", "new", Iri(f"{new}/inbox"), also_known_as=names)
    await actors.put(tx, who, id=flakes.mint(OLD), at=OLD, document=b"{}")
    await actors.mark_moved(tx, old, new)
    await follow(tx, new)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("confirmed", [True, False])
async def test_what_a_friend_wrote_before_they_moved_stays(store: Store, confirmed: bool, times: int) -> None:
    """The follow ends with the move and begins again where they went; that somebody says they went there is nothing."""
    homes = [FRIEND, *(Iri(f"https://elsewhere.example/users/{number}") for number in range(times))]
    async with store.write() as tx:
        await write(tx, by=FRIEND)
        for old, new in pairwise(homes):
            await _moves(tx, old, new, confirmed=confirmed)
    await _sweep(store)
    assert await here(store) == confirmed


async def test_a_long_flood_costs_nobody_else_their_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than could ever be read: who said something once, before it began, waits for the owner all the same."""
    monkeypatch.setattr(sweep, "OF_ONE_STRANGER", 2)
    async with store.write() as tx:
        await write(tx, post_of("first of all"), OTHER, for_owner=True, at=OLD - timedelta(days=1))
        for number in range(30):
            await write(tx, post_of(f"flood {number}"), STRANGER, for_owner=True)
    await _sweep(store)
    async with store.read() as tx:
        left = set((await tx.execute(select(notes.notes.c.iri))).scalars())
    assert left == {post_of(name) for name in ("first of all", "flood 28", "flood 29")}


async def _told(tx: Tx, number: int, actor: Iri, kind: str = "favourite", note_id: int | None = None) -> None:
    await tx.execute(insert(notifications).values(id=number, kind=kind, actor=actor, note_id=note_id, at=ms(OLD)))


async def test_strangers_push_out_no_notification_but_strangers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people did whom the owner knows stays; and what waits in the request box goes with its post alone."""
    monkeypatch.setattr(sweep, "MOST_NOTIFICATIONS", 3)
    monkeypatch.setattr(sweep, "STRETCH", 4)
    async with store.write() as tx:
        await blocks.stand(tx, [AUTHOR], Standing.ALLOWED, OLD)
        waiting = await write(tx, post_of("waiting"), OTHER, for_owner=True)
        await _told(tx, 1, FRIEND, "reblog")
        await _told(tx, 2, AUTHOR, "follow")
        await _told(tx, 3, OTHER, "mention", waiting)
        for number in range(4, 24):
            await _told(tx, number, STRANGER)
    await _sweep(store)
    async with store.read() as tx:
        left = list((await tx.execute(select(notifications.c.id).order_by(notifications.c.id))).scalars())
    assert left == [1, 2, 3, 21, 22, 23]
    async with store.write() as tx:
        for number in (31, 32, 33):
            await _told(tx, number, FRIEND)
    await _sweep(store)
    async with store.read() as tx:
        left = list((await tx.execute(select(notifications.c.id).order_by(notifications.c.id))).scalars())
    assert left == [3, 21, 22, 23, 31, 32, 33], "of those whom the owner knows, the oldest go as well"


async def test_a_conversation_stays_off_the_list_when_its_last_post_goes(store: Store) -> None:
    """It is remembered as long as something of it is here: the number apps know, and what the owner did with it."""
    friends = Iri("https://remote.example/notes/friends")
    async with store.write() as tx:
        await write(tx, friends, FRIEND, for_owner=True, visibility=Visibility.DIRECT)
        last = await write(tx, by=AUTHOR, answers=friends, for_owner=True, visibility=Visibility.DIRECT)
        await blocks.stand(tx, [AUTHOR], Standing.IGNORED, OLD)
        row = {"id": 1, "root": friends, "last_note_id": last, "people": [FRIEND, AUTHOR], "unread": False}
        await tx.execute(insert(conversations).values(**row, deleted_to=last))
    await _sweep(store)
    assert not await here(store)
    async with store.write() as tx:
        assert (await tx.execute(select(conversations.c.id))).scalars().all() == [1]
        await tx.execute(delete(follows))
        await blocks.stand(tx, [FRIEND], Standing.IGNORED, OLD)
        await tx.execute(conversations.update().values(last_note_id=(await notes.get(tx, friends)).id))  # type: ignore[union-attr]
    await _sweep(store)
    async with store.read() as tx:
        assert (await tx.execute(select(conversations.c.id))).scalars().all() == [], "and goes with all of it"
