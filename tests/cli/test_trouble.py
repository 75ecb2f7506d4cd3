"""When something is wrong: one sentence, a hint, exit 1, and nothing lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Place, cuicui, digests


def _misspelt(data: Path) -> None:
    with (data / "cuicui.toml").open("a") as file:
        file.write('lisen = "127.0.0.1:8140"\n')


def _wrong_type(data: Path) -> None:
    with (data / "cuicui.toml").open("a") as file:
        file.write('deliveries_at_once = "many"\n')


def _not_toml(data: Path) -> None:
    (data / "cuicui.toml").write_text("listen: 8140\n")


def _noise(data: Path) -> None:
    (data / "cuicui.db").write_bytes(b"this is not a database. " * 200)


def _holes(data: Path) -> None:
    whole = bytearray((data / "cuicui.db").read_bytes())
    whole[4096:] = b"\xaa" * (len(whole) - 4096)
    (data / "cuicui.db").write_bytes(bytes(whole))


def _no_database(data: Path) -> None:
    (data / "cuicui.db").unlink()


def _short_key(data: Path) -> None:
    file = data / "keys" / "identity.json"
    file.write_bytes(file.read_bytes()[:50])


def _open_key(data: Path) -> None:
    (data / "keys" / "transport.json").chmod(0o644)


def _no_key(data: Path) -> None:
    (data / "keys" / "identity.json").unlink()


def _moved(data: Path) -> None:
    file = data / "cuicui.toml"
    file.write_text(file.read_text().replace("http://127.0.0.1", "http://elsewhere.example"))


@pytest.mark.parametrize(
    ("spoil", "told", "advice"),
    [
        (_misspelt, "lisen: there is no such setting", "did you mean listen?"),
        (_wrong_type, "deliveries_at_once", "an example of a right value"),
        (_not_toml, "is not TOML", "a line looks like"),
        (_noise, "the file is not a database", "restore"),
        (_holes, "the database is damaged", "restore"),
        (_no_database, "its keys are there, but not its database", "cuicui restore"),
        (_short_key, "identity.json is damaged", "from your backup"),
        (_open_key, "transport.json can be read by others", "chmod 600"),
        (_no_key, "identity.json", "hint"),
        (_moved, "this node was made for http://127.0.0.1", "cannot change"),
    ],
)
def test_a_spoilt_directory(
    founded: Place, tmp_path: Path, spoil: Callable[[Path], None], told: str, advice: str
) -> None:
    """ "The node says so in one sentence with a hint and exits 1 … with nothing lost." """
    data = tmp_path / "node"
    shutil.copytree(founded.data, data)
    for leftover in ("cuicui.db-wal", "cuicui.db-shm", "run.lock"):
        (data / leftover).unlink(missing_ok=True)
    spoil(data)
    before = digests(data)
    said = cuicui("run", "--data", data)
    assert said.status == 1
    assert said.out == ""
    assert told in said.err
    assert "hint: " in said.err
    assert advice in said.err
    after = digests(data)
    assert {name: after.get(name) for name in before} == before


def test_a_misspelt_variable(founded: Place) -> None:
    """A setting in the environment that is none stops the start as one in the file does."""
    said = cuicui("timeline", "--data", founded.data, CUICUI_LISEN="127.0.0.1:8140")
    assert said.status == 1
    assert "CUICUI_LISEN: there is no such setting" in said.err


def test_doctor_names_what_fails(founded: Place, tmp_path: Path) -> None:
    """`doctor` goes on looking after something failed, and exits 1."""
    data = tmp_path / "node"
    shutil.copytree(founded.data, data)
    _short_key(data)
    data.chmod(0o755)
    said = cuicui("doctor", "--data", data, "--json")
    assert said.status == 1
    levels = {item["about"]: item["level"] for item in said.json}
    assert levels["directory"] == "warn"
    assert levels["disk"] == "ok"
    assert levels["node"] == "fail"


def test_doctor_knows_the_keys_of_this_database_from_others(founded: Place, tmp_path: Path) -> None:
    """Keys and database of different backups: what is written now, every reader takes for somebody else's.
    It said "ok"."""
    data, other = tmp_path / "node", tmp_path / "other"
    shutil.copytree(founded.data, data)
    (data / "run.lock").unlink(missing_ok=True)
    assert cuicui("post", "--data", data, "By my own key").status == 0
    assert _keys_of(data)["level"] == "ok"
    assert cuicui("init", "--data", other, "--handle", "eve").status == 0
    shutil.rmtree(data / "keys")
    shutil.copytree(other / "keys", data / "keys")
    found = _keys_of(data)
    assert (found["level"], "not the one of this database" in found["said"]) == ("fail", True)
    assert "different backups" in found["hint"]


def _keys_of(data: Path) -> dict[str, str]:
    [found] = [item for item in cuicui("doctor", "--data", data, "--json").json if item["about"] == "keys"]
    return dict(found)


def test_what_is_wrong_inside_is_one_sentence_too(founded: Place, tmp_path: Path) -> None:
    """A mistake of ours shows no traceback, and says how to see one."""
    said = founded("backup", tmp_path)  # a directory where a file belongs
    assert said.status == 2
    assert said.err.startswith("cuicui: ")
