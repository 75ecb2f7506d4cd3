"""A disk that is really full: a small file system of its own, filled to the last byte under a node that runs."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from node.settings import Settings
from tests.cli.conftest import cuicui
from tests.support.client import Answer, Client
from tests.support.homes import Home, eventually, settle_in
from tests.support.older import fill
from tests.support.pictures import as_bytes, painted
from tests.support.process import Running
from tests.support.stranger import Place

SIZE = 48 << 20
"""Bytes: uploads leave 32 MiB of a disk alone."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory, 48 MiB large."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(where)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no program to mount a file system with")
    if mounted.returncode:
        pytest.skip(f"this user may not mount a file system: {mounted.stderr.decode().strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


def _fill(disk: Path) -> Path:
    """To the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    assert os.statvfs(disk).f_bavail == 0
    return ballast


def _files(settings: Settings) -> set[str]:
    return {str(path.relative_to(settings.data)) for path in settings.media.rglob("*") if path.is_file()}


async def _upload(app: Client) -> Answer:
    file = io.BytesIO(as_bytes(painted(), "PNG"))
    return await app.request("POST", "/api/v2/media", data={"file": file})


def _said(answer: Answer) -> Any:
    assert isinstance(answer.json, dict), answer.body
    assert isinstance(answer.json["error"], str)
    return answer.status


async def test_a_disk_that_is_really_full(disk: Path) -> None:
    """Strangers are asked to come back, apps are told why, readers are served, nothing is half-written; with room
    again all goes on without a restart."""
    home = await settle_in(disk, "alice")
    token = (await asyncio.to_thread(cuicui, "token", "--data", home.settings.data)).out.strip()
    app = Client(home, token)
    node = Running(home.settings.data)
    async with Place() as place:
        carol = place.stranger("carol")
        me = f"{home.base}/actor"
        await node.start()
        try:
            await node.ready()
            assert (await carol.deliver(carol.activity("Follow", me), home.base)).status == 202
            first = await _upload(app)
            assert first.status == 200, first.body
            before = _files(home.settings)

            ballast = _fill(disk)
            late = [carol.say(f"when there is room {number}", me) for number in range(3)]
            for said in late:
                for _ in range(2):  # what is free inside the database is used up first, perhaps
                    reply = await carol.deliver(said, home.base)
                    if reply.status == 503:
                        break
                    _fill(disk)
            reply = await carol.deliver(carol.say("x" * 20_000, me), home.base)
            assert reply.verdict == (503, "store")
            assert int(reply.headers["Retry-After"]) > 0
            assert _said(await _upload(app)) == 503
            written = await app.post("/api/v1/statuses", {"status": "into a full disk " + "x" * 100})
            assert _said(written) == 503
            assert (await app.get("/api/v1/timelines/home")).status == 200
            assert (await carol.get(me)).status == 200
            assert _files(home.settings) == before
            assert list((home.settings.media / "incoming").iterdir()) == []

            ballast.unlink()

            async def taken() -> bool:
                return all([(await carol.deliver(said, home.base)).status == 202 for said in late])

            await eventually(taken)
            second = await _upload(app)
            assert second.status == 200, second.body
            ids = [first.json["id"], second.json["id"]]
            posted = await app.post("/api/v1/statuses", {"status": "there is room", "media_ids": ids})
            assert posted.status == 200, posted.body
        finally:
            await node.end(signal.SIGTERM)
        await _is_whole(home)


async def _is_whole(home: Home) -> None:
    await home.start()
    try:
        assert await home.node.store.check() == []
        heard = [post.note.content for post in await home.said_to_me()]
        assert sorted(heard) == [f"<p>when there is room {number}</p>" for number in range(3)]
        mine = [post.note.content for post in await home.node.owner.timeline() if post.own]
        assert mine == ["<p>there is room</p>"]
    finally:
        await home.stop()


async def test_commands_on_a_full_disk(disk: Path) -> None:
    """One sentence and exit code 1; no piece of a backup or of a node stays behind."""
    home = await settle_in(disk, "alice")
    ballast = _fill(disk)
    data = home.settings.data
    before = {path for path in disk.rglob("*") if path.is_file() and "cuicui.db-" not in path.name}
    picture = disk.parent / "picture.png"
    picture.write_bytes(as_bytes(painted(), "PNG"))
    for command in (
        ["post", "--data", data, "x" * 140],
        ["post", "--data", data, "Look", "--image", picture],
        ["backup", "--data", data, disk / "a.backup"],
        ["init", "--data", disk / "other", "--base-url", "https://other.example", "--handle", "other"],
    ):
        said = await asyncio.to_thread(cuicui, *command)
        assert said.status == 1, (command, said)
        assert "full" in said.err or "space" in said.err.lower(), said.err
    after = {path for path in disk.rglob("*") if path.is_file() and "cuicui.db-" not in path.name}
    assert after == before
    ballast.unlink()
    posted = await asyncio.to_thread(cuicui, "post", "--data", data, "Room")
    assert posted.status == 0, posted.err


@pytest.mark.parametrize("room", [0, 48 << 10, 160 << 10], ids=["none", "to open it", "for half a snapshot"])
async def test_no_room_to_upgrade(disk: Path, room: int) -> None:
    """Without room for the snapshot nothing is upgraded; with room it is."""
    home = await settle_in(disk, "ada")
    data = home.settings.data
    for leftover in data.glob("cuicui.db*"):
        leftover.unlink()
    (data / "cuicui.toml").unlink()  # it names another address
    fill(data / "cuicui.db")
    ballast = _fill(disk)
    os.truncate(ballast, ballast.stat().st_size - room)
    said = await asyncio.to_thread(cuicui, "timeline", "--data", data)
    assert said.status == 1, said
    assert "full" in said.err
    database = sqlite3.connect(data / "cuicui.db")
    try:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
    finally:
        database.close()
    assert not list(home.settings.snapshots.glob("*"))
    ballast.unlink()
    said = await asyncio.to_thread(cuicui, "timeline", "--data", data)
    assert said.status == 0, said.err
    assert "older node" in said.out
