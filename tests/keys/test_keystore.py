"""Secret keys on disk: private, whole or not at all, never overwritten by accident."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keys import Identity, Keystore, TransportKey
from keys.errors import KeyFileError, Locked
from keys.passphrase import finder, resolve

ALICE = Identity.from_seed(b"\x01" * 32)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "data" / "keys", clock=lambda: NOON)


@pytest.fixture(scope="module")
def transport() -> TransportKey:
    return TransportKey.generate()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# ── saving and loading ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("passphrase", [None, "correct horse", "é" * 3])
def test_an_identity_comes_back(store: Keystore, passphrase: str | None) -> None:
    assert not store.exists()
    store.save_identity(ALICE, passphrase)
    assert store.exists()
    assert store.load_identity(passphrase).seed == ALICE.seed


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
@pytest.mark.parametrize("name", ["transport", "server"])
def test_a_transport_key_comes_back(
    store: Keystore, transport: TransportKey, name: str, passphrase: str | None
) -> None:
    store.save_transport(name, transport, passphrase)
    assert store.exists(name)
    assert store.load_transport(name, passphrase).public == transport.public


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_are_0600_in_a_directory_of_0700(store: Keystore, umask: int) -> None:
    store.directory.parent.mkdir()
    before = os.umask(umask)
    try:
        store.save_identity(ALICE)
    finally:
        os.umask(before)
    assert mode(store.path("identity")) == 0o600
    assert mode(store.directory) == 0o700
    assert [entry.name for entry in store.directory.iterdir()] == ["identity.json"]


def test_the_header_says_what_the_file_is(store: Keystore) -> None:
    store.save_identity(ALICE, "correct horse")
    found = json.loads(store.path("identity").read_text())
    assert (found["type"], found["version"], found["kind"]) == ("CuicuiKey", 1, "identity")
    assert (found["public"], found["created"]) == (ALICE.public.multikey, "2026-01-01T12:00:00Z")
    sealed = found["sealed"]
    assert (sealed["kdf"], sealed["n"], sealed["r"], sealed["p"]) == ("scrypt", 32768, 8, 1)
    assert sealed["cipher"] == "chacha20-poly1305"


def test_a_sealed_file_does_not_show_the_secret(store: Keystore) -> None:
    store.save_identity(ALICE, "correct horse")
    text = store.path("identity").read_text()
    assert ALICE.secret_multikey not in text
    assert ALICE.seed.hex() not in text


def test_every_seal_is_fresh(store: Keystore) -> None:
    store.save_identity(ALICE, "correct horse")
    first = json.loads(store.path("identity").read_text())
    store.save_identity(ALICE, "correct horse", replace=True)
    second = json.loads(store.path("identity").read_text())
    assert first["sealed"]["salt"] != second["sealed"]["salt"]
    assert first["sealed"]["nonce"] != second["sealed"]["nonce"]
    assert first["secret"] != second["secret"]


# ── passphrases ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("passphrase", [None, "", "wrong", "correct horse "])
def test_a_sealed_key_needs_its_passphrase(store: Keystore, passphrase: str | None) -> None:
    store.save_identity(ALICE, "correct horse")
    before = store.path("identity").read_bytes()
    with pytest.raises(Locked) as caught:
        store.load_identity(passphrase)
    assert str(store.path("identity")) in caught.value.message
    assert caught.value.hint
    assert store.path("identity").read_bytes() == before


def test_a_passphrase_is_asked_for_only_when_needed(store: Keystore) -> None:
    def never() -> str:
        raise AssertionError("asked for nothing")

    store.save_identity(ALICE)
    assert store.load_identity(never).seed == ALICE.seed
    store.save_identity(ALICE, "correct horse", replace=True)
    assert store.load_identity(lambda: "correct horse").seed == ALICE.seed


def test_an_empty_passphrase_is_not_a_seal(store: Keystore) -> None:
    with pytest.raises(KeyFileError):
        store.save_identity(ALICE, "")
    assert not store.exists()


def test_two_keyboards_spell_a_passphrase_alike(store: Keystore) -> None:
    store.save_identity(ALICE, "caf\u00e9")
    assert store.load_identity("cafe\u0301").seed == ALICE.seed


def test_a_passphrase_is_looked_for_in_order(tmp_path: Path) -> None:
    """The named file, then CUICUI_PASSPHRASE, then the question."""
    file = tmp_path / "passphrase"
    file.write_text("from the file\nsecond line\n")
    environ = {"CUICUI_PASSPHRASE": "from the environment"}
    assert resolve(finder(file, prompt=lambda: "asked", environ=environ)) == "from the file"
    assert resolve(finder(prompt=lambda: "asked", environ=environ)) == "from the environment"
    assert resolve(finder(prompt=lambda: "asked", environ={})) == "asked"
    assert resolve(finder(prompt=lambda: "asked", environ={"CUICUI_PASSPHRASE": ""})) == "asked"
    assert resolve(finder(environ={})) is None


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_named_passphrase_file_must_hold_one(tmp_path: Path, content: bytes | None) -> None:
    """Falling through to another passphrase would hide the mistake."""
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KeyFileError) as caught:
        resolve(finder(file, environ={"CUICUI_PASSPHRASE": "other"}))
    assert str(file) in caught.value.message


def test_a_passphrase_that_is_not_text_is_refused() -> None:
    with pytest.raises(KeyFileError):
        resolve("\udcff")


# ── refusing to read ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o620, 0o602, 0o610])
def test_a_file_others_can_reach_is_refused(store: Keystore, bits: int) -> None:
    store.save_identity(ALICE)
    store.path("identity").chmod(bits)
    with pytest.raises(KeyFileError) as caught:
        store.load_identity()
    assert str(store.path("identity")) in caught.value.message
    assert "chmod 600" in (caught.value.hint or "")
    assert mode(store.path("identity")) == bits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(store: Keystore) -> None:
    store.save_identity(ALICE)
    os.chown(store.path("identity"), 12345, -1)
    with pytest.raises(KeyFileError, match="another user"):
        store.load_identity()


def test_a_missing_key_says_where_it_should_be(store: Keystore) -> None:
    with pytest.raises(KeyFileError) as caught:
        store.load_identity()
    assert str(store.path("identity")) in caught.value.message
    with pytest.raises(KeyFileError):
        store.load_transport("server")


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_file_cut_anywhere_is_refused(store: Keystore, passphrase: str | None) -> None:
    store.save_identity(ALICE, passphrase)
    path = store.path("identity")
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):  # without the closing brace it is never JSON
        path.write_bytes(whole[:length])
        with pytest.raises(KeyFileError) as caught:
            store.load_identity(passphrase)
        assert str(path) in caught.value.message
        assert path.read_bytes() == whole[:length]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Note"},
        {"version": 2},
        {"version": None},
        {"kind": "transport"},
        {"public": None},
        {"public": Identity.from_seed(b"\x02" * 32).public.multikey},
        {"secret": None},
        {"secret": ""},
        {"secret": ALICE.public.multikey},
        {"secret": Identity.from_seed(b"\x02" * 32).secret_multikey},
        {"sealed": True},
        {"sealed": {}},
    ],
)
def test_a_damaged_open_file_is_refused(store: Keystore, changes: dict[str, Any]) -> None:
    store.save_identity(ALICE)
    edit(store.path("identity"), **changes)
    with pytest.raises(KeyFileError) as caught:
        store.load_identity("correct horse")
    assert str(store.path("identity")) in caught.value.message
    assert ALICE.secret_multikey not in caught.value.message


def test_a_transport_key_that_is_not_the_one_it_names_is_refused(store: Keystore, transport: TransportKey) -> None:
    """Others would be shown one key, and their servers sent signatures of another."""
    store.save_transport("transport", transport)
    edit(store.path("transport"), public=TransportKey.generate().public.fingerprint)
    with pytest.raises(KeyFileError, match="not the one of the public key it names") as caught:
        store.load_transport("transport")
    assert str(store.path("transport")) in caught.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 2**13},
        {"n": 2**30},
        {"n": 32769},
        {"n": "32768"},
        {"r": 9},
        {"p": 0},
        {"p": 1000},
        {"salt": "AAAA"},
        {"salt": "not base64!"},
        {"nonce": ""},
        {"kdf": "none"},
        {"cipher": "none"},
        {"extra": 1},
    ],
)
def test_a_seal_this_version_would_not_write_is_refused(store: Keystore, changes: dict[str, Any]) -> None:
    """A file must not be able to ask for weak keys, or for gigabytes of memory."""
    store.save_identity(ALICE, "correct horse")
    path = store.path("identity")
    edit(path, sealed=json.loads(path.read_text())["sealed"] | changes)
    with pytest.raises(KeyFileError, match="damaged"):
        store.load_identity("correct horse")


@pytest.mark.parametrize(
    "changes", [{"created": "2020-01-01T00:00:00Z"}, {"public": Identity.from_seed(b"\x02" * 32).public.multikey}]
)
def test_the_header_of_a_sealed_file_is_sealed_too(store: Keystore, changes: dict[str, Any]) -> None:
    store.save_identity(ALICE, "correct horse")
    edit(store.path("identity"), **changes)
    with pytest.raises(Locked):
        store.load_identity("correct horse")


@pytest.mark.parametrize("content", [b"\0" * 100, b"[]", b"null", b"A" * 100_000, b"\xff"])
def test_what_is_no_key_file_is_refused(store: Keystore, content: bytes) -> None:
    store.save_identity(ALICE)
    store.path("identity").write_bytes(content)
    with pytest.raises(KeyFileError):
        store.load_identity()


def test_a_transport_key_is_not_an_identity(store: Keystore, transport: TransportKey) -> None:
    store.save_transport("transport", transport)
    store.path("transport").rename(store.path("identity"))
    with pytest.raises(KeyFileError, match="kind identity"):
        store.load_identity()


@pytest.mark.parametrize("kind", ["directory", "link", "dangling link", "pipe"])
def test_only_a_plain_file_is_read(store: Keystore, tmp_path: Path, kind: str) -> None:
    store.save_identity(ALICE)
    path, elsewhere = store.path("identity"), tmp_path / "elsewhere"
    path.rename(elsewhere)
    match kind:
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to(elsewhere)
        case "dangling link":
            path.symlink_to(tmp_path / "nowhere")
        case _:
            os.mkfifo(path, 0o600)
    assert store.exists()
    with pytest.raises(KeyFileError) as caught:
        store.load_identity()
    assert str(path) in caught.value.message


# ── refusing to write ────────────────────────────────────────────────────────────────────────


def test_an_existing_key_is_not_overwritten(store: Keystore) -> None:
    store.save_identity(ALICE)
    before = store.path("identity").read_bytes()
    with pytest.raises(KeyFileError, match="already") as caught:
        store.save_identity(Identity.generate())
    assert str(store.path("identity")) in caught.value.message
    assert store.path("identity").read_bytes() == before
    assert [entry.name for entry in store.directory.iterdir()] == ["identity.json"]


def test_an_existing_key_is_replaced_when_told_to(store: Keystore) -> None:
    store.save_identity(ALICE)
    other = Identity.generate()
    store.save_identity(other, "correct horse", replace=True)
    assert store.load_identity("correct horse").seed == other.seed
    assert mode(store.path("identity")) == 0o600


@pytest.mark.parametrize("replace", [False, True])
def test_a_directory_in_the_way_is_left_alone(store: Keystore, replace: bool) -> None:
    store.save_transport("transport", TransportKey.generate())
    store.path("identity").mkdir()
    (store.path("identity") / "keepsake").write_text("mine")
    with pytest.raises(KeyFileError):
        store.save_identity(ALICE, replace=replace)
    assert (store.path("identity") / "keepsake").read_text() == "mine"
    assert sorted(entry.name for entry in store.directory.iterdir()) == ["identity.json", "transport.json"]


def test_a_link_in_the_way_is_never_followed(store: Keystore, tmp_path: Path) -> None:
    store.directory.mkdir(parents=True, mode=0o700)
    target = tmp_path / "target"
    target.write_text("mine")
    store.path("identity").symlink_to(target)
    with pytest.raises(KeyFileError):
        store.save_identity(ALICE)
    store.save_identity(ALICE, replace=True)
    assert target.read_text() == "mine"
    assert not store.path("identity").is_symlink()


def test_a_failing_save_leaves_the_old_key(store: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, found only when the bytes must reach it."""
    store.save_identity(ALICE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        store.save_identity(Identity.generate(), replace=True)
    monkeypatch.undo()
    assert store.load_identity().seed == ALICE.seed
    assert [entry.name for entry in store.directory.iterdir()] == ["identity.json"]


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o777])
def test_a_directory_others_can_write_to_is_refused(store: Keystore, bits: int) -> None:
    store.directory.mkdir(parents=True)
    store.directory.chmod(bits)
    with pytest.raises(KeyFileError, match="others can put files") as caught:
        store.save_identity(ALICE)
    assert str(store.directory) in caught.value.message
    assert list(store.directory.iterdir()) == []


def test_a_file_where_the_directory_should_be_is_left_alone(store: Keystore) -> None:
    store.directory.parent.mkdir()
    store.directory.write_text("mine")
    with pytest.raises(KeyFileError) as caught:
        store.save_identity(ALICE)
    assert str(store.directory) in caught.value.message
    assert store.directory.read_text() == "mine"
