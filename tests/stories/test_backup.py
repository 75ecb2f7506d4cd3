"""What an owner trusts a node with comes back: posts with pictures, tokens, subscriptions, keys, settings."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import re
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from node import backup, founding
from node.errors import CuicuiError, KeyFileError
from node.model import Draft
from node.model.media import Media
from node.settings import FILE, Settings
from tests.cli.conftest import cuicui
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.homes import LOOPBACK, Home, eventually, free_port, settle_in
from tests.support.older import fill
from tests.support.pictures import as_bytes, painted, pieces
from tests.support.pushed import PushService
from tests.support.stranger import Stranger
from tests.web.mastodon.test_push import subscribe


async def _uploaded(home: Home, turn: int) -> Media:
    return await home.node.media.upload(pieces(as_bytes(painted(turn=turn), "PNG")), alt=f"picture {turn}")


async def _saved(home: Home, file: Path) -> backup.Made:
    return await asyncio.to_thread(backup.make, home.settings, file, home.clock())


def _moved(home: Home, data: Path) -> Home:
    return Home(replace(home.settings, data=data), home.clock, home.handle)


async def test_a_node_that_runs_is_saved_and_comes_back_whole(alice: Home, carol: Stranger, tmp_path: Path) -> None:
    """Posts with their pictures, the avatar, tokens, push subscriptions, the push key, the settings: as they were."""
    app = await Client.of(alice)
    one = await _uploaded(alice, 1)
    posted = await alice.node.owner.post(Draft("with a picture", media=(one.id,)))
    address = posted.post.note.attachments[0].url
    face = as_bytes(painted(64, 64), "PNG")
    changed = await app.request("PATCH", "/api/v1/accounts/update_credentials", data={"avatar": io.BytesIO(face)})
    assert changed.status == 200, changed.body
    (alice.settings.data / FILE).write_text('log_level = "warning"\n')
    async with PushService() as service:
        told = await subscribe(app, service)
        before = await app.get("/api/v1/accounts/verify_credentials")
        shown = (await app.get(address.removeprefix(alice.base))).body
        made = await _saved(alice, tmp_path / "a.backup")
        assert made.database
        assert (tmp_path / "a.backup").stat().st_mode & 0o777 == 0o600
        await alice.stop()
        checked = await asyncio.to_thread(backup.restore, tmp_path / "a.backup", tmp_path / "again")
        assert (checked.handle, checked.database, checked.files) == ("@alice", True, 4)
        again = _moved(alice, tmp_path / "again")
        assert (again.settings.data / FILE).read_text() == 'log_level = "warning"\n'
        await again.start()
        try:
            there = Client(again, app.token)
            assert (await there.get("/api/v1/accounts/verify_credentials")).json == before.json
            assert (await there.get(address.removeprefix(alice.base))).body == shown
            assert (await there.get("/api/v1/push/subscription")).json == told
            liked = carol.activity("Like", posted.post.note.iri)
            assert (await carol.deliver(liked, again.base)).status == 202

            async def came() -> bool:
                return bool(service.got)

            await eventually(came)
            assert await again.node.media.keep_order() == 0
        finally:
            await again.stop()
    for path in (tmp_path / "again", *(one for one in (tmp_path / "again").rglob("*") if one.is_file())):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_nothing_but_what_was_asked_for_is_in_it(alice: Home, tmp_path: Path) -> None:
    """No cache, no lock, no unfinished upload, nothing of this machine: no user, no directory."""
    await _uploaded(alice, 2)
    (alice.settings.cache / "ab").mkdir(parents=True)
    (alice.settings.cache / "ab" / "x.png").write_bytes(b"somebody else's")
    (alice.settings.media / "incoming" / "half").mkdir(parents=True)
    (alice.settings.media / "incoming" / "half" / "upload").write_bytes(b"half")
    await _saved(alice, tmp_path / "a.backup")
    with tarfile.open(tmp_path / "a.backup") as tar:
        entries = tar.getmembers()
    kinds = {entry.name.partition("/")[0] for entry in entries}
    assert kinds <= {"backup.json", "cuicui.db", "keys", "media", FILE}
    assert len([entry for entry in entries if entry.name.startswith("media/")]) == 2
    assert {(entry.mode, entry.uid, entry.uname) for entry in entries} == {(0o600, 0, "")}


async def test_a_backup_while_posts_come_and_go(alice: Home, tmp_path: Path) -> None:
    """Each of many, made while pictures are posted and deleted, is whole; a post in it has its picture or none."""
    stop = asyncio.Event()

    async def busy() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            posted = await alice.node.owner.post(Draft(f"number {turn}", media=((await _uploaded(alice, turn)).id,)))
            if turn % 2:
                await alice.node.owner.delete(posted.post.note.iri)

    writing = asyncio.create_task(busy())
    try:
        for number in range(4):
            await asyncio.sleep(0.1)
            await _saved(alice, tmp_path / f"{number}.backup")
    finally:
        stop.set()
        await writing
    for number in range(4):
        checked = await asyncio.to_thread(backup.check, tmp_path / f"{number}.backup")
        assert (checked.handle, checked.keys_opened) == ("@alice", True)


async def test_a_picture_that_goes_while_it_is_saved_is_left_out(
    alice: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted between the list and the copy: the backup is made without it, and is whole."""
    first = await _uploaded(alice, 3)
    listed = backup.Directory.all

    def then_gone(self: backup.Directory) -> object:
        found = list(listed(self))
        self.drop(first.file)
        return iter(found)

    monkeypatch.setattr(backup.Directory, "all", then_gone)
    await _saved(alice, tmp_path / "a.backup")
    assert (await asyncio.to_thread(backup.check, tmp_path / "a.backup")).files == 1


async def test_a_backup_of_an_earlier_version_is_restored(tmp_path: Path) -> None:
    """Its database has fewer columns: it is checked, put back as it was, and upgraded when the node starts."""
    older = await settle_in(tmp_path, "ada")
    database = older.settings.data / "cuicui.db"
    for leftover in older.settings.data.glob("cuicui.db*"):
        leftover.unlink()
    fill(database)
    await _saved(older, tmp_path / "a.backup")
    checked = await asyncio.to_thread(backup.restore, tmp_path / "a.backup", tmp_path / "again")
    assert (checked.handle, checked.schema) == ("@ada", "0002")


async def test_on_postgresql_all_but_the_database_is_saved(tmp_path: Path, postgres_url: str) -> None:
    """Keys, settings and pictures; the commands say that the database is for pg_dump. Put back, they fit together."""
    data = tmp_path / "ada"
    port = free_port()
    chosen = {
        "data": data,
        "base_url": f"http://127.0.0.1:{port}",
        "listen": f"127.0.0.1:{port}",
        "allow_networks": LOOPBACK,
        "database_url": postgres_url,
    }
    settings = Settings.of(chosen)
    await founding.found(settings, handle="ada")
    home = await Home(settings, FakeClock(), "ada").start()
    one = await _uploaded(home, 4)
    await home.node.owner.post(Draft("on the big machine", media=(one.id,)))
    said = await asyncio.to_thread(cuicui, "backup", "--data", data, tmp_path / "a.backup")
    assert (said.status, "pg_dump" in said.err) == (0, True), said.err
    await home.stop()
    verified = await asyncio.to_thread(cuicui, "backup", "--verify", tmp_path / "a.backup")
    assert (verified.status, "not in it" in verified.err) == (0, True), verified.err
    assert "@ada at http://127.0.0.1" in verified.out
    restored = await asyncio.to_thread(cuicui, "restore", tmp_path / "a.backup", "--data", tmp_path / "again")
    assert (restored.status, "pg_dump" in restored.err) == (0, True), restored.err
    assert sorted(os.listdir(tmp_path / "again")) == ["cuicui.toml", "keys", "media"]
    again = await _moved(home, tmp_path / "again").start()
    try:
        (post,) = [post for post in await again.node.owner.timeline() if post.note.attachments]
        found = await Client(again, None).get(post.note.attachments[0].url.removeprefix(again.base))
        assert found.status == 200
    finally:
        await again.stop()


async def test_what_is_no_node_is_not_saved(tmp_path: Path) -> None:
    """Keys without a database: said so, and no database is made by looking."""
    home = await settle_in(tmp_path, "alice")
    for leftover in home.settings.data.glob("cuicui.db*"):
        leftover.unlink()
    with pytest.raises(CuicuiError):
        await _saved(home, tmp_path / "a.backup")
    assert not (home.settings.data / "cuicui.db").exists()
    assert not (tmp_path / "a.backup").exists()


async def test_a_backup_goes_onto_a_usb_stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """link(2): "EPERM: The filesystem … does not support the creation of hard links." FAT does not; a name that is
    taken is refused there as well."""
    home = await settle_in(tmp_path, "alice")

    def no_links(*_names: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    made = await _saved(home, tmp_path / "a.backup")
    assert made.size == (tmp_path / "a.backup").stat().st_size
    assert (await asyncio.to_thread(backup.check, tmp_path / "a.backup")).handle == "@alice"
    with pytest.raises(CuicuiError, match="was not touched"):
        await _saved(home, tmp_path / "a.backup")
    assert [path.name for path in tmp_path.glob("*backup*")] == ["a.backup"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: _scratch(data / "cuicui.db"), "damaged"),
        (lambda data: (data / "cuicui.db").write_bytes(b""), "has no owner"),
        (lambda data: (data / "keys" / "server.json").unlink(), "there is no file"),
    ],
)
async def test_what_is_damaged_is_not_said_to_be_saved(
    tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    """A backup of a damaged database was made, called saved, and took the place of the older one that was whole."""
    home = await settle_in(tmp_path, "alice")
    spoil(home.settings.data)
    with pytest.raises(CuicuiError, match=told) as said:
        await _saved(home, tmp_path / "a.backup")
    assert said.value.message.startswith("nothing was saved")
    assert said.value.hint
    assert not list(tmp_path.glob("*backup*"))


def _scratch(file: Path) -> None:
    """Noise from the middle to the end: the first pages still say that it is a database."""
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        stream.write(b"\xa5" * (file.stat().st_size // 3))


@pytest.mark.parametrize("name", backup.KEYS)
async def test_keys_that_are_not_whole_are_not_saved(tmp_path: Path, name: str) -> None:
    """A node that runs does not notice what becomes of its key files; the backup is where the owner hears of it."""
    home = await settle_in(tmp_path, "alice")
    file = home.settings.keys / f"{name}.json"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(KeyFileError, match=re.escape(str(file))):
        await _saved(home, tmp_path / "a.backup")
    assert not (tmp_path / "a.backup").exists()
