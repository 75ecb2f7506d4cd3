"""A node is made whole or not at all."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from node import app, founding, keyring
from node.errors import CuicuiError, Locked, NotAllowed, StartError
from node.settings import Settings, load
from tests.support.homes import keys_of

ROOT = Path(__file__).parents[1]


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


async def test_of_two_that_make_a_node_in_one_place_one_does_and_nothing_of_it_is_taken_away(tmp_path: Path) -> None:
    """A second `init` "refuses and changes nothing", also while the first is at work: whoever fails took the keys
    and the database of the other one away with what it believed to be its own."""
    data = tmp_path / "one"
    both = [founding.found(_settings(data), handle=name, keys=keys_of(name)) for name in ("ada", "bob")]
    first, second = await asyncio.gather(*both, return_exceptions=True)
    [made] = [one for one in (first, second) if isinstance(one, founding.Founded)]
    [refused] = [one for one in (first, second) if isinstance(one, BaseException)]
    assert isinstance(refused, StartError), refused
    assert keyring.load(data / "keys").identity.public == made.keys.identity.public
    async with app.opened(load(data, environ={})) as node:
        assert node.ids.handle == made.ids.handle


KILLED = """
import asyncio, json, os, signal, sys
from pathlib import Path
from node import app, founding, keyring
from node.errors import StartError
from node.settings import Settings

keys, synced, found = keyring.generate(), os.fsync, []

def found_in(data, base):
    settings = Settings.of({"data": data, "base_url": base})
    asyncio.run(founding.found(settings, handle="ada", keys=keys))

def dying(before):
    left = [before]
    def fsync(handle):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        synced(handle)
    return fsync

async def opens(data):
    try:
        async with app.opened(Settings.of({"data": data})) as node:
            return node.ids.base
    except StartError as error:
        return error.message.partition(str(data))[0]

for step in range(1, 30):
    data = Path(sys.argv[1]) / str(step)
    child = os.fork()
    if not child:
        os.fsync = dying(step)
        found_in(data, "https://first.example")
        os._exit(0)
    os.waitpid(child, 0)
    left = asyncio.run(opens(data))
    if left == "there is no node in ":
        found_in(data, "https://second.example")
        text = (data / "cuicui.toml").read_text()
        found.append([asyncio.run(opens(data)), "second" in text, sorted(os.listdir(data / "keys"))])
    else:
        found.append(left)
        break
print(json.dumps(found))
"""


def test_what_was_begun_by_one_who_was_killed_is_taken_away(tmp_path: Path) -> None:
    """All of it, or nothing: killed between any two steps, it is no node, and the next one is made whole."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    *steps, last = json.loads(done.stdout)
    whole = ["https://second.example", True, ["identity.json", "server.json", "transport.json"]]
    assert steps == [whole] * 9  # the mark, three keys, the settings, and the directories that they are in
    assert last == "https://first.example"


async def test_keys_without_their_database_are_said_to_be_that(tmp_path: Path) -> None:
    """Neither `init` nor `run` may send one to the other: what helps is a backup."""
    data = tmp_path / "lost"
    await founding.found(_settings(data), handle="ada", keys=keys_of("ada"))
    (data / "cuicui.db").unlink()
    with pytest.raises(StartError, match="its keys are there, but not its database") as said:
        async with app.opened(_settings(data)):
            pass
    assert "cuicui restore" in str(said.value.hint)
    with pytest.raises(StartError, match="already"):
        await founding.found(_settings(data), handle="bob", keys=keys_of("bob"))
    assert keyring.load(data / "keys").identity.public == keys_of("ada").identity.public


async def test_what_fails_leaves_no_owner_in_a_database_elsewhere(tmp_path: Path, postgres_url: str) -> None:
    """A database on a server is not taken away with the directory: an owner whose keys could not be written would
    keep it from everybody, "belongs to a node already"."""
    settings = _settings(tmp_path / "ada", database_url=postgres_url)
    with pytest.raises(CuicuiError, match="UTF-8"):
        await founding.found(settings, handle="ada", keys=keys_of("ada"), passphrase="not \udcff")
    await founding.found(settings, handle="ada", keys=keys_of("ada"), passphrase="correct horse")
