"""`cuicui verify`: 0 only for `signed`, 1 for `refused`, 3 for `vouched` or `changed`, 2 for misuse."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.model import Iri, KeyState
from node.storage import actors
from node.storage.store import Store
from tests.cli.conftest import Place, cuicui, fetch, program, until


@dataclass(frozen=True)
class Saved:
    """A post of alice's that bob received: its address, its bytes, her key."""

    alice: Place
    bob: Place
    address: str
    body: bytes
    key: str


@pytest.fixture(scope="session")
def saved(pair: tuple[Place, Place]) -> Saved:
    alice, bob = pair
    address = alice("post", "Hello from alice").out.strip()
    until(lambda: "Hello from alice" in bob("timeline", "--limit", "3").out)
    key = next(line.split()[1] for line in alice("keys").out.splitlines() if line.startswith("key"))
    return Saved(alice, bob, address, fetch(address), key)


def test_a_saved_post_verifies_offline(saved: Saved, tmp_path: Path) -> None:
    """ "The same post saved to a file verifies offline; one byte changed in it, and it does not." """
    file = tmp_path / "post.json"
    file.write_bytes(saved.body)
    good = program("verify", "--data", saved.bob.data, file, "--offline")
    assert (good.status, good.out.partition(":")[0]) == (0, "signed")
    assert saved.key in good.out
    file.write_bytes(saved.body.replace(b"Hello", b"Hullo"))
    bad = saved.bob("verify", file, "--offline", "--json")
    assert (bad.status, bad.json["verdict"]) == (1, "refused")
    assert "does not hold" in bad.json["reason"]


OTHER = "z6Mkf7eotz1BKX36uwnJyjnvQrvS7HmznSoFF8BFykXfUiQk"


@pytest.mark.parametrize(
    ("change", "key", "status", "told"),
    [
        (lambda body: body, None, 3, "whose that is cannot be told here"),
        (lambda body: body, "its own", 0, "the key you gave signed it"),
        (lambda body: body, OTHER, 1, "does not hold"),
        (lambda body: body.replace(b"Hello", b"Hullo"), None, 1, "does not hold"),
        (lambda body: body.replace(b"Hello", b"Hullo"), "its own", 1, "does not hold"),
        (lambda body: body.replace(b'"proofValue":"z', b'"proofValue":"z1'), "its own", 1, "proof"),
        (lambda body: _without(body, "proof"), "its own", 1, "there is no proof in it"),
        (lambda body: _with(body, "attributedTo", "https://eve.example/actor"), "its own", 1, "does not"),
        (lambda body: body[:-1] + b',"id":"x"}', "its own", 1, "appears twice"),
        (lambda body: body[:-20], "its own", 1, "JSON"),
        (lambda body: b"", "its own", 1, "JSON"),
    ],
)
def test_files_without_a_node(saved: Saved, tmp_path: Path, change, key: str | None, status: int, told: str) -> None:  # type: ignore[no-untyped-def]
    """Works without any data directory when the key is given; without one it says what it cannot tell."""
    given = [] if key is None else ["--key", saved.key if key == "its own" else key]
    said = cuicui("verify", "--data", tmp_path / "none", "-", *given, typed=change(saved.body))
    assert (said.status, told in said.out) == (status, True), said
    assert not (tmp_path / "none").exists()


def _without(body: bytes, name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(body).items() if key != name}).encode()


def _with(body: bytes, name: str, value: str) -> bytes:
    return json.dumps({**json.loads(body), name: value}).encode()


def test_addresses_and_handles(saved: Saved) -> None:
    """`verify` on a URL or a handle: fetched from its origin, judged under the pinned key."""
    for target in (saved.address, json.loads(saved.body)["id"], saved.alice.handle, f"{saved.alice.base}/actor"):
        said = saved.bob("verify", target, "--json")
        assert (said.status, said.json["verdict"], said.json["key"]) == (0, "signed", saved.key), target


def test_addresses_and_handles_without_a_node(saved: Saved, tmp_path: Path) -> None:
    """Who has no node can ask as well; the key is first seen then, and nothing is left behind."""
    network = {"CUICUI_ALLOW_NETWORKS": "127.0.0.0/8"}
    for target in (saved.address, saved.alice.handle):
        said = cuicui("verify", "--data", tmp_path / "none", target, "--json", **network)
        assert (said.status, said.json["verdict"], said.json["key"]) == (0, "signed", saved.key)
        assert "no node here" in said.err
    assert not (tmp_path / "none").exists()
    said = cuicui("verify", "--data", tmp_path / "none", saved.address, "--offline", **network)
    assert (said.status, said.out) == (1, "")


def test_our_own_are_looked_up_and_not_fetched(saved: Saved) -> None:
    """A node never fetches from itself; its own posts are in its store."""
    for target in (saved.address, saved.alice.handle):
        said = saved.alice("verify", target, "--json")
        assert (said.status, said.json["verdict"], said.json["key"]) == (0, "signed", saved.key)
    nothing = saved.alice("verify", f"{saved.alice.base}/notes/1")
    assert (nothing.status, "there is no post of yours" in nothing.err) == (1, True)


def test_evidence_can_be_exported_and_checked(saved: Saved, tmp_path: Path) -> None:
    """The bundle holds the signed post, the bytes as received with their headers, and the key; it checks offline."""
    posts = saved.bob("timeline", "--json", "--limit", "80").json
    number = next(item["id"] for item in posts if item["url"] == saved.address)
    exported = saved.bob("export", number)
    bundle = exported.json
    assert (bundle["type"], bundle["version"]) == ("Evidence", 1)
    assert bundle["object"] == json.loads(saved.body)
    assert bundle["key"]["key"] == saved.key
    assert bundle["actor"]["id"] == f"{saved.alice.base}/actor"
    assert bundle["received"]["from"].startswith(f"{saved.alice.base}/actor#")
    assert {name for name, _ in bundle["received"]["http"]["headers"]} & {"signature", "signature-input"}
    file = tmp_path / "evidence.json"
    file.write_text(exported.out)
    assert saved.bob("verify", file, "--offline").status == 0
    assert saved.bob("verify", saved.address, "--offline").status == 0
    file.write_text(exported.out.replace("Hello", "Hullo"))
    assert saved.bob("verify", file, "--offline").status == 1


def test_evidence_of_an_unsigned_post_is_its_http_signature(saved: Saved, tmp_path: Path) -> None:
    """ "`vouched` — no proof; the author's server delivered it under a valid HTTP signature": 3, and changed, 1."""
    alice, bob = saved.alice, saved.bob
    said = alice("post", "--visibility", "direct", f"psst {bob.handle}", CUICUI_SIGN_PRIVATE_POSTS="false")
    address = said.out.strip()
    until(lambda: "psst" in bob("timeline", "--mentions").out)
    exported = bob("export", address).json
    assert "proof" not in exported["object"]
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(exported))
    good = bob("verify", file, "--offline", "--json")
    assert (good.status, good.json["verdict"]) == (3, "vouched")
    body = base64.b64decode(exported["received"]["body"]).replace(b"psst", b"pssh")
    exported["received"]["body"], exported["object"] = base64.b64encode(body).decode(), json.loads(body)["object"]
    file.write_text(json.dumps(exported))
    assert bob("verify", file, "--offline").status == 1


@pytest.mark.parametrize(
    ("state", "told"), [(KeyState.CHANGED, "without proof that they belong together"), (KeyState.RETIRED, "no longer")]
)
def test_a_key_that_is_not_the_pinned_one(saved: Saved, tmp_path: Path, state: KeyState, told: str) -> None:
    """ "`changed` — authentic as far as it goes, but under a key that is not the pinned one": 3."""
    assert saved.bob("backup", tmp_path / "bob.backup").status == 0
    data = tmp_path / "bob"
    assert cuicui("restore", tmp_path / "bob.backup", "--data", data).status == 0
    asyncio.run(_set_state(data, f"{saved.alice.base}/actor", saved.key, state))
    said = cuicui("verify", "--data", data, "--offline", "-", typed=saved.body)
    assert (said.status, said.out.partition(":")[0]) == (3, "changed")
    assert told in said.out


async def _set_state(data: Path, owner: str, key: str, state: KeyState) -> None:
    store = Store(f"sqlite:///{data / 'cuicui.db'}")
    try:
        async with store.write() as tx:
            await actors.set_key_state(tx, Iri(owner), [key], state)
    finally:
        await store.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-file.json"],
        ["/"],
        ["-", "--key", "z6nonsense"],
        ["https://ada.example/notes/1", "--key", OTHER],
        [],
    ],
)
def test_misuse(tmp_path: Path, arguments: list[str]) -> None:
    """2 for what cannot be a file, an address, a handle or a key."""
    said = cuicui("verify", "--data", tmp_path / "none", *arguments)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("cuicui: ")
