"""Killed at random moments under load: what was answered 202 is there, what was posted is sent."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from contextlib import suppress
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from tests.support.homes import Home, eventually, settle_in
from tests.support.process import Running
from tests.support.stranger import Place, Stranger

KILLS = 30
WRITERS = 6


class Ledger:
    """What the node promised to whom."""

    def __init__(self, home: Home, crowd: list[Stranger]) -> None:
        self.home = home
        self.crowd = crowd
        self.accepted: set[str] = set()
        self._numbers = count()

    async def deliver_for_ever(self, who: Stranger) -> None:
        """Say one thing after the other; note each id that was answered 202."""
        me = f"{self.home.base}/actor"
        while True:
            said = who.say(f"under load {next(self._numbers)}", me)
            try:
                reply = await who.deliver(said, self.home.base)
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                await asyncio.sleep(0.02)
                continue
            assert reply.status == 202, (reply.status, reply.body)
            self.accepted.add(str(said["id"]))

    def check(self, told: list[str], received: set[str]) -> None:
        """The database as the dead left it: sound, and with all that was promised."""
        database = sqlite3.connect(self.home.settings.data / "cuicui.db")
        try:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []
            logged = {row[0] for row in database.execute("SELECT iri FROM activities")}
            later = {row[0] for row in database.execute("SELECT activity FROM arrivals")}
            notes = {row[0] for row in database.execute("SELECT iri FROM notes")}
            shown = {row[0] for row in database.execute("SELECT activity FROM notes WHERE NOT own")}
            queued = {row[0] for row in database.execute("SELECT activity FROM queue")}
        finally:
            database.close()
        assert self.accepted <= logged | later, "an accepted activity is missing"
        assert self.accepted <= shown | later, "an accepted post is not shown"
        assert set(told) <= notes, "a status is lost"
        assert {f"{iri}/activity" for iri in told} <= queued | received, "a delivery is lost"


async def _post_for_ever(node: Running) -> None:
    for number in count():
        await node.say(f"status {number}")
        await asyncio.sleep(0.01)


async def _busy(ledger: Ledger, node: Running, promises: int) -> None:
    """Until it promised that many things since it was asked, and a status: a life is longer on a slow machine."""
    told, more = len(node.told), len(ledger.accepted) + promises

    async def has_promised() -> bool:
        return len(ledger.accepted) >= more and len(node.told) > told

    await eventually(has_promised, within=20)


@pytest.mark.long
async def test_nothing_that_was_promised_is_lost_by_kill_9(tmp_path: Path) -> None:
    """Deliver, Receive: "`kill -9` at any moment loses no delivery"; "what it says is on disk" when 202 is answered."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    home = await settle_in(tmp_path, "alice")
    async with Place() as place:
        followers = [place.stranger("carol"), place.stranger("dave", proofs=True)]
        await home.start()
        for one in followers:
            assert (await one.deliver(one.activity("Follow", f"{home.base}/actor"), home.base)).status == 202
        await home.quiet()
        await home.stop()
        ledger = Ledger(home, followers)
        node = Running(home.settings.data)
        load = [asyncio.create_task(ledger.deliver_for_ever(followers[n % 2])) for n in range(WRITERS)]
        try:
            for kill in range(KILLS):
                await node.start()
                if kill % 6 == 5:  # in the middle of starting
                    await asyncio.sleep(dice.uniform(0.05, 0.5))
                else:
                    await node.ready()
                    writing = asyncio.create_task(_post_for_ever(node))
                    await asyncio.sleep(dice.uniform(0.02, 0.3))
                    await _busy(ledger, node, dice.randint(4, 12))
                    writing.cancel()
                await node.end(signal.SIGKILL)
                failed = [task for task in load if task.done()]
                assert not failed, failed[0].exception()
                ledger.check(node.told, set(place.ids()))
        finally:
            for task in load:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*load)
        assert len(ledger.accepted) > 3 * KILLS  # there was load, in and out
        assert len(node.told) > KILLS

        await home.start()
        await home.quiet()
        await home.stop()
        ledger.check(node.told, set(place.ids()))
        owed = {f"{iri}/activity" for iri in node.told}
        for one in followers:
            arrived = {str(item.json["id"]) for item in place.received if item.path == f"/users/{one.name}/inbox"}
            assert owed <= arrived


async def test_a_clean_stop_in_the_middle_of_a_process_sends_nothing_twice(tmp_path: Path) -> None:
    """SIGTERM: what is under way is finished, the rest is a row, and each is sent once."""
    home = await settle_in(tmp_path, "alice")
    async with Place() as place:
        carol = place.stranger("carol")
        await home.start()
        assert (await carol.deliver(carol.activity("Follow", f"{home.base}/actor"), home.base)).status == 202
        await home.quiet()
        await home.stop()
        place.received.clear()
        node = Running(home.settings.data)
        for _ in range(2):
            await node.start()
            await node.ready()
            writing = asyncio.create_task(_post_for_ever(node))
            await asyncio.sleep(0.4)
            writing.cancel()
            assert await node.end(signal.SIGTERM) == 0
        await home.start()
        await home.quiet()
        await home.stop()
        assert len(place.ids()) == len(set(place.ids()))
        assert set(place.ids()) >= {f"{iri}/activity" for iri in node.told}
