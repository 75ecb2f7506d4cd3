"""Who follows whom, in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from node.model import Iri, Window
from node.storage import relations
from node.storage.relations import State
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOGETHER = [Iri(f"https://{name}.example/actor") for name in "cadbe"]
"""Whose relations begin in one millisecond, as those of a batch do."""
BEFORE, AFTER = Iri("https://old.example/actor"), Iri("https://new.example/actor")


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    return empty_store


@pytest.mark.parametrize("of_followers", [True, False])
async def test_a_page_that_ends_among_equals_goes_on_right_there(store: Store, of_followers: bool) -> None:
    """client-api.md §6, paging: everybody once, downwards and upwards."""
    begun = [(BEFORE, NOW - timedelta(seconds=1)), *((one, NOW) for one in TOGETHER), (AFTER, NOW + timedelta(1))]
    async with store.write() as tx:
        for who, at in begun:
            if of_followers:
                await relations.put_follower(tx, who, Iri(f"{who}/follow"), State.ACCEPTED, at)
            else:
                await relations.start_follow(tx, who, Iri(f"{who}/follow"), at)
                await relations.settle_follow(tx, who, State.ACCEPTED)
        asking = Iri("https://asking.example/actor")
        await relations.put_follower(tx, asking, Iri(f"{asking}/follow"), State.PENDING, NOW)
        await relations.start_follow(tx, Iri("https://asked.example/actor"), Iri("https://x.example/1"), NOW)
    everybody = [AFTER, *sorted(TOGETHER, reverse=True), BEFORE]

    async def page(window: Window) -> list[tuple[int, Iri]]:
        async with store.read() as tx:
            found = await relations.page(tx, window, of_followers=of_followers)
        return [(number, relation.actor) for number, relation in found]

    for limit in (1, 2, 3, 7, 40):
        down = await page(Window(limit=limit))
        while more := await page(Window(before=down[-1][0], limit=limit)):
            down += more
        assert [who for _, who in down] == everybody
        assert [number for number, _ in down] == sorted((number for number, _ in down), reverse=True)
        up = down[-1:]
        while more := await page(Window(after=up[0][0], nearest=True, limit=limit)):
            up = more + up
        assert up == down
        assert await page(Window(after=down[2][0], limit=limit)) == down[:2][:limit]
