"""A full disk, a locked, broken or absent database: said in a sentence, and nothing lost."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from node import app
from node.errors import KeyFileError, StartError, StoreError
from node.model import Draft, Visibility
from tests.support.attack import greet
from tests.support.homes import Home, eventually, settle_in
from tests.support.process import Running
from tests.support.stranger import Place, Stranger


async def test_a_locked_database_is_a_503_and_then_all_is_well(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the database: strangers are asked to come back, readers are served, nothing is lost."""
    await alice.stop()
    monkeypatch.setattr("node.storage.store.BUSY_MS", 200)
    await alice.start()
    await greet(alice, carol)
    before = await alice.rows()
    said = carol.say("as if nothing had happened", alice.node.ids.actor)
    other = sqlite3.connect(alice.settings.data / "cuicui.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        reply = await carol.deliver(said, alice.base)
        assert reply.verdict == (503, "store")
        assert int(reply.headers["Retry-After"]) > 0
        with pytest.raises(StoreError, match="locked") as caught:
            await alice.node.owner.post(Draft("into the void"))
        assert caught.value.hint
        assert (await carol.get(f"{alice.base}/actor")).status == 200
        assert (await carol.get(f"{alice.base}/outbox?page=true")).status == 200
        assert await alice.rows() == before
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert (await carol.deliver(said, alice.base)).status == 202
    assert await alice.shows("as if nothing had happened")
    await alice.node.owner.post(Draft("out of the void"))


async def test_a_full_disk_is_a_503_and_loses_nothing(tmp_path: Path) -> None:
    """A full disk: the node keeps serving where it can, and takes up its work when there is room again."""
    home = await settle_in(tmp_path, "alice")
    node = Running(home.settings.data)
    async with Place() as place:
        carol = place.stranger("carol")
        me = f"{home.base}/actor"
        await node.start()
        try:
            await node.ready()
            assert (await carol.deliver(carol.activity("Follow", me), home.base)).status == 202
            kept = [carol.say(f"kept {number}", me) for number in range(5)]
            assert [(await carol.deliver(said, home.base)).status for said in kept] == [202] * 5
            _, hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (4096, hard))
            late = carol.say("when there is room", me)
            reply = await carol.deliver(late, home.base)
            assert reply.verdict == (503, "store")
            assert (await carol.get(f"{home.base}/actor")).status == 200
            resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (hard, hard))

            async def taken() -> bool:
                return (await carol.deliver(late, home.base)).status == 202

            await eventually(taken)
        finally:
            await node.end(signal.SIGKILL)
        await home.start()
        try:
            assert await home.node.store.check() == []
            heard = [post.note.content for post in await home.said_to_me()]
            assert sorted(heard) == sorted(
                ["<p>when there is room</p>", *(f"<p>kept {number}</p>" for number in range(5))]
            )
            assert len(await home.node.owner.followers()) == 1
        finally:
            await home.stop()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: (data / "cuicui.db").write_bytes(b"not a database at all" * 500), "not a database"),
        (lambda data: (data / "cuicui.db").unlink(), "no node"),
        (lambda data: _tear(data / "cuicui.db"), "damaged|not a database"),
    ],
    ids=["another file", "gone", "torn"],
)
async def test_a_broken_database_stops_the_start_in_one_sentence(tmp_path: Path, spoil: object, words: str) -> None:
    """A corrupt database: one sentence with a hint, and not a byte of it changed."""
    home = await settle_in(tmp_path, "alice")
    assert callable(spoil)
    spoil(home.settings.data)
    file = home.settings.data / "cuicui.db"
    before = file.read_bytes() if file.exists() else None
    with pytest.raises((StoreError, StartError), match=words) as caught:
        await home.start()
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert (file.read_bytes() if file.exists() else None) == before


def _tear(file: Path) -> None:
    """The first page stays, so that it looks like a database; the rest is noise."""
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes(reversed(range(256))) * ((len(whole) - 100) // 256))


async def test_no_keys_no_start(tmp_path: Path) -> None:
    """A missing key file is named; the node does not make another identity."""
    home = await settle_in(tmp_path, "alice")
    file = next(iter(sorted(home.settings.keys.iterdir())))
    file.unlink()
    with pytest.raises(KeyFileError, match=file.name):
        await home.start()


async def test_a_port_that_is_taken_is_said_so(tmp_path: Path, place: Place) -> None:
    """StartError: port in use; and what was opened is closed again."""
    home = await settle_in(tmp_path, "alice")
    taken = Home(replace(home.settings, listen=f"127.0.0.1:{place.port}"), home.clock, "alice")
    with pytest.raises(StartError, match="in use") as caught:
        await taken.start()
    assert caught.value.hint
    await home.start()
    await home.stop()


async def test_another_address_is_another_node(tmp_path: Path) -> None:
    """An address is part of every id and cannot change."""
    home = await settle_in(tmp_path, "alice")
    other = replace(home.settings, base_url="https://other.example")
    with pytest.raises(StartError, match=r"other\.example"):
        async with app.opened(other):
            pass


async def test_a_clock_that_is_wrong_by_a_day_refuses_and_says_why(alice: Home, carol: Stranger) -> None:
    """A stale request is not a broken one: the message says how far the clocks are apart."""
    await greet(alice, carol)
    alice.clock.forward(timedelta(days=1))
    reply = await carol.deliver(carol.say("on time, I think", alice.node.ids.actor), alice.base)
    assert reply.verdict == (401, "stale")
    assert b"clock" in reply.body
    alice.clock.forward(-timedelta(days=1))
    await greet(alice, carol)


async def test_a_sender_that_goes_away_does_no_harm(alice: Home, carol: Stranger) -> None:
    """What was read whole is applied, whether or not somebody waits for the answer."""
    await greet(alice, carol)
    async with alice.node.store.write():
        sent = asyncio.ensure_future(carol.deliver(carol.say("gone already", alice.node.ids.actor), alice.base))
        await asyncio.sleep(0.2)
        sent.cancel()
        await asyncio.sleep(0.1)
    await greet(alice, carol)


async def test_whom_the_owner_names_is_told_though_their_server_is_down(alice: Home, carol: Stranger) -> None:
    """Issue 2: a server that is down is delivered to later. So whoever was met is somebody, and no mere words, when
    they cannot be looked up just now: else a direct post would go to nobody, and nobody would say so."""
    await greet(alice, carol)
    alice.clock.forward(timedelta(days=2))  # what is known of her is not fresh any more
    await carol.place.hang_up()
    nobody = carol.handle.replace("carol", "nobody")
    posted = await alice.node.owner.post(Draft(f"{carol.handle} and {nobody}: psst", visibility=Visibility.DIRECT))
    assert [one.href for one in posted.post.note.mentions] == [carol.iri]
    assert (posted.inboxes, posted.unknown) == (1, (nobody,))
    await carol.place.listen()
    alice.clock.forward(timedelta(minutes=2))
    alice.node.delivery.wake()

    async def came() -> bool:
        return bool(carol.place.of_type("Create"))

    await eventually(came)
