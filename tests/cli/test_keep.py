"""Keys, account, token, password, backup, doctor: what keeps a node well."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from node.passwords import matches
from node.storage import profile
from node.storage.store import Store
from tests.cli.conftest import Place, cuicui, digests


def test_token_prints_a_token_and_nothing_else(founded: Place) -> None:
    """ "`cuicui token` prints a bearer token of the owner for the client API, nothing else on stdout." """
    said = founded("token")
    assert said.status == 0
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", said.out)
    assert said.out != founded("token").out


def test_password_comes_from_standard_input(founded: Place) -> None:
    """ "`cuicui password`: new owner's password from standard input"; one that is too short changes nothing."""
    assert founded("password", typed="correct horse\n").status == 0
    short = founded("password", typed="short\n")
    assert (short.status, "at least 8" in short.err) == (1, True)
    spoilt = founded("password", typed=b"\xff\xfe no letters\n")
    assert (spoilt.status, "not UTF-8" in spoilt.err) == (2, True)
    assert matches("correct horse", asyncio.run(_password_hash(founded)))


async def _password_hash(place: Place) -> str:
    store = Store(f"sqlite:///{place.data / 'cuicui.db'}")
    try:
        async with store.read() as tx:
            return await profile.password_hash(tx) or ""
    finally:
        await store.close()


def test_keys_of_others(pair: tuple[Place, Place]) -> None:
    """Every key known of an account, since when and how; the owner's word makes it compared."""
    alice, bob = pair
    found = alice("keys show", bob.handle, "--json").json
    assert {key["kind"] for key in found["keys"]} == {"rsa", "ed25519"}
    assert {key["state"] for key in found["keys"]} == {"pinned"}
    assert {key["trust"] for key in found["keys"]} == {"first_use"}
    unsure = alice("keys accept", bob.handle)
    assert (unsure.status, "use --yes" in unsure.err) == (2, True)
    assert alice("keys accept", "--yes", bob.handle).status == 0
    assert {key["trust"] for key in alice("keys show", bob.handle, "--json").json["keys"]} == {"compared"}
    assert "compared by you" in alice("keys show", bob.handle).out
    misplaced = cuicui("keys", "--data", alice.data, "show", bob.handle)
    assert (misplaced.status, "put --data behind the command" in misplaced.err) == (2, True)


def test_an_alias_is_another_account(pair: tuple[Place, Place]) -> None:
    """ "`cuicui alias add ACTOR`": looked up, and named in the profile."""
    alice, bob = pair
    said = alice("alias add", bob.handle)
    assert (said.status, said.out) == (0, f"{bob.base}/actor\n")
    assert f"alias      {bob.base}/actor" in alice("profile").out
    assert alice("alias add", alice.handle).status == 1


def test_doctor_on_a_running_node(pair: tuple[Place, Place]) -> None:
    """All is well, seen from outside too; the networks it may dial are reported."""
    alice, _ = pair
    said = alice("doctor", "--json")
    assert said.status == 0
    levels = {item["about"]: item["level"] for item in said.json}
    expected = ("directory", "disk", "limits", "keys", "database", "queue", "address", "clock")
    assert {about: levels[about] for about in expected} == dict.fromkeys(expected, "ok")
    assert levels["networks"] == "warn"
    assert "127.0.0.0/8" in alice("doctor").out


def test_refused_lists_who_was_turned_away(founded: Place) -> None:
    """Nobody yet; as JSON an empty list."""
    said = founded("refused", "--json")
    assert (said.status, said.json) == (0, [])


@pytest.fixture(scope="module")
def saved(founded: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backup") / "ada.backup"
    founded("post", "Kept for ever")
    said = founded("backup", file)
    assert (said.status, said.out) == (0, f"{file}\n")
    return file


def test_a_backup_is_private_and_overwrites_nothing(founded: Place, saved: Path) -> None:
    """One file with mode 0600; a name that is taken is refused and left as it is."""
    assert saved.stat().st_mode & 0o777 == 0o600
    before = saved.read_bytes()
    again = founded("backup", saved)
    assert (again.status, "was not touched" in again.err) == (1, True)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_backup_comes_back_whole(founded: Place, saved: Path, tmp_path: Path) -> None:
    """Restored elsewhere it is the same node: handle, posts, key. A directory with something in it is refused."""
    assert "ok    @ada" in cuicui("backup", "--verify", saved).out
    data = tmp_path / "new"
    assert cuicui("restore", saved, "--data", data).status == 0
    assert cuicui("keys", "--data", data).out.split()[:6] == founded("keys").out.split()[:6]
    assert "Kept for ever" in cuicui("timeline", "--data", data).out
    before = digests(data)
    again = cuicui("restore", saved, "--data", data)
    assert (again.status, "is not empty" in again.err) == (1, True)
    assert digests(data) == before


def test_a_directory_that_is_there_is_filled_and_not_replaced(saved: Path, tmp_path: Path) -> None:
    """deploy/README.md: the user `cuicui` owns /var/lib/cuicui and may write nowhere beside it; and a volume's mount
    point lets nothing take its place. Of a backup that is damaged nothing stays in it."""
    data = tmp_path / "lib" / "cuicui"
    data.mkdir(parents=True)
    (tmp_path / "spoilt").write_bytes(saved.read_bytes().replace(b"Kept for ever", b"Kept for over"))
    itself = data.stat().st_ino
    if os.geteuid() != 0:  # root may write anywhere
        data.parent.chmod(0o555)
    try:
        assert cuicui("restore", tmp_path / "spoilt", "--data", data).status == 1
        assert list(data.iterdir()) == []
        assert cuicui("restore", saved, "--data", data).status == 0
    finally:
        data.parent.chmod(0o755)
    assert data.stat().st_ino == itself
    assert data.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in data.iterdir()} == {"keys", "cuicui.db", "cuicui.toml"}
    assert "Kept for ever" in cuicui("timeline", "--data", data).out


@pytest.mark.parametrize("where", [0.0, 0.3, 0.9])
def test_a_damaged_backup_is_said_so(saved: Path, tmp_path: Path, where: float) -> None:
    """A changed byte in the database, in a key, or in the manifest; nothing is restored from it."""
    file = tmp_path / "damaged"
    whole = bytearray(saved.read_bytes())
    at = whole.index(b"CuicuiBackup") if where == 0.0 else _inside(whole, b"CuicuiKey" if where > 0.5 else b"Kept for")
    whole[at] ^= 1
    file.write_bytes(bytes(whole))
    said = cuicui("restore", file, "--data", tmp_path / "new")
    assert said.status == 1
    assert "damaged" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def _inside(whole: bytearray, what: bytes) -> int:
    return whole.index(what)


def test_not_a_backup_at_all(tmp_path: Path) -> None:
    """A file that is something else, or not there."""
    (tmp_path / "letter").write_text("Dear Ada,")
    for name in ("letter", "nothing"):
        assert cuicui("backup", "--verify", tmp_path / name).status == 1


def test_a_node_without_a_directory(tmp_path: Path) -> None:
    """Every command names the way out, and makes nothing."""
    data = tmp_path / "none"
    for command in (["timeline"], ["token"], ["doctor"], ["backup", str(tmp_path / "file")]):
        said = cuicui(*command, "--data", data)
        assert said.status == 1
        assert "cuicui init" in said.err + said.out
    assert list(tmp_path.iterdir()) == []
    shutil.rmtree(tmp_path)
