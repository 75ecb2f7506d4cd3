"""Many requests at one time, more than there are connections to read over."""

from __future__ import annotations

import asyncio

from tests.support.client import Client
from tests.support.homes import Home


async def test_who_reads_never_waits_for_another_connection(alice: Home, app: Client) -> None:
    """What is kept in memory of the owner is forgotten when another process writes; who reads has a connection then.

    Each that waited for a second one would wait for all the others, and they for it.
    """
    await app.post("/api/v1/statuses", {"status": "here"})
    paths = [f"/api/v1/timelines/home?limit={number}" for number in range(1, 17)]
    for _ in range(3):
        alice.node.forget_cached()
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(app.get(path) for path in paths))
        assert {answer.status for answer in answers} == {200}
    own = [str(alice.node.ids.followers), str(alice.node.ids.following)] * 8
    for _ in range(3):
        alice.node.forget_cached()
        async with asyncio.timeout(20):
            found = await asyncio.gather(*(alice.node.client.get(iri, accept="application/json") for iri in own))
        assert {answer.status for answer in found} == {200}
