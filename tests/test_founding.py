"""A node is made whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from node import founding, keyring
from node.errors import CuicuiError, Locked, NotAllowed, StartError
from node.settings import Settings, load
from tests.support.homes import keys_of


def _settings(data: Path, **more: object) -> Settings:
    return Settings.of({"data": data, **more})


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


async def test_a_new_node_has_keys_a_database_and_a_file_for_its_owner_only(tmp_path: Path) -> None:
    """security.md §1: "file/DB 0600, directory 0700"."""
    data = tmp_path / "new"
    await founding.found(_settings(data), handle="ada", keys=keys_of("ada"))
    assert {"cuicui.db", "cuicui.toml", "keys"} <= _files(data)
    for path in [data, *data.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.is_dir() or not path.stat().st_mode & stat.S_IXUSR
    assert load(data, environ={}).base_url == "http://127.0.0.1:8140"
    assert keyring.load(data / "keys").identity.public == keys_of("ada").identity.public


async def test_there_is_one_node_in_a_directory(tmp_path: Path) -> None:
    """A second founding changes nothing."""
    data = tmp_path / "one"
    await founding.found(_settings(data), handle="ada", keys=keys_of("ada"))
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    with pytest.raises(StartError, match="already"):
        await founding.found(_settings(data), handle="bob", keys=keys_of("bob"))
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("handle", ["", "Ada", "a" * 31, "a.b", "a b", "@ada", "ада", "../x", "a\n"])
async def test_a_handle_is_letters_digits_and_underscores(tmp_path: Path, handle: str) -> None:
    """decisions.md §2: "Handle `[a-z0-9_]{1,30}`"."""
    with pytest.raises(NotAllowed):
        await founding.found(_settings(tmp_path / "x"), handle=handle, keys=keys_of("ada"))
    assert not (tmp_path / "x").exists()


async def test_what_fails_half_way_is_taken_away(tmp_path: Path) -> None:
    """All of it, or nothing; what was there before stays."""
    data = tmp_path / "half"
    data.mkdir()
    (data / "diary").write_text("mine")
    settings = _settings(data, database_url=f"sqlite:///{data}/missing/there.db")
    with pytest.raises(CuicuiError):
        await founding.found(settings, handle="ada", keys=keys_of("ada"))
    assert _files(data) == {"diary"}
    fresh = _settings(tmp_path / "fresh", database_url=f"sqlite:///{data}/missing/there.db")
    with pytest.raises(CuicuiError):
        await founding.found(fresh, handle="ada", keys=keys_of("ada"))
    assert not (tmp_path / "fresh").exists()


async def test_sealed_keys_want_their_passphrase(tmp_path: Path) -> None:
    """security.md §1: keys at rest may be sealed."""
    data = tmp_path / "sealed"
    await founding.found(_settings(data), handle="ada", keys=keys_of("ada"), passphrase="correct horse")
    with pytest.raises(Locked):
        keyring.load(data / "keys")
    assert keyring.load(data / "keys", "correct horse").identity.public == keys_of("ada").identity.public
