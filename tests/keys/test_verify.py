"""Checking files offline: the function, and the command around it."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keys
from keys import Identity, PublicIdentity, Report, proof, verify_document
from keys.errors import BadDocument
from tests.keys.vectors import NOW, signed, vectors

OURS = vectors("cuicui_signed")["keys"]
K0, K1 = (PublicIdentity.from_multikey(text) for text in OURS["identity_keys"][:2])
ALICE = Identity.from_seed(bytes.fromhex(OURS["identity_seeds"][0]))
MALLORY = Identity.from_seed(b"\x66" * 32)
CONTEXT = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"]
ROOT = Path(keys.__file__).parent.parent

Document = dict[str, Any]


def report(document: Document, key: PublicIdentity = K0) -> Report:
    return verify_document(json.dumps(document).encode(), key, NOW)


def outcomes(found: Report) -> list[tuple[str, str]]:
    return [(part.name, part.code) for part in found.parts]


def by_alice(document: Document, method: str = f"https://alice.example/actor#{K0.multikey}") -> Document:
    return proof.attach({"@context": CONTEXT, **document}, ALICE, method, NOW)


def note(**changes: Any) -> Document:
    return {
        "id": "https://alice.example/notes/9",
        "type": "Note",
        "attributedTo": "https://alice.example/actor",
        "content": "cui",
    } | changes


def unsigned(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "proof"}


# ── what holds ───────────────────────────────────────────────────────────────────────────────


def test_a_signed_note_holds() -> None:
    found = report(signed("note 1"))
    assert found.holds
    (part,) = found.parts
    assert (part.name, part.type, part.id) == ("document", "Note", "https://alice.example/notes/1")
    assert (part.owner, part.code) == ("https://alice.example/actor", "signed")
    assert part.method == f"https://alice.example/actor#{K0.multikey}"
    assert part.signed_at is not None
    assert proof.created_at(part.signed_at) == "2026-01-01T12:00:00Z"


def test_an_activity_and_the_note_in_it_are_told_apart() -> None:
    found = report(signed("Create of note 4"), K1)
    assert found.holds
    assert outcomes(found) == [("activity", "signed"), ("object", "signed")]


def test_an_evidence_bundle_is_what_is_in_it() -> None:
    for document in (signed("note 1"), {"type": "Create", "object": signed("note 1")}):
        bundle = {"type": "Evidence", "version": 1, "object": document, "headers": {"Date": "anything"}}
        assert outcomes(report(bundle)) == outcomes(report(document))
        assert report(bundle).holds


def test_a_signed_note_in_an_unsigned_activity_holds_as_a_note() -> None:
    create = signed("Create of note 4")
    found = report(unsigned(create), K1)
    assert found.holds
    assert outcomes(found) == [("activity", "unsigned"), ("object", "signed")]


def test_an_unsigned_note_in_a_signed_activity_of_its_author_is_covered() -> None:
    create = {"id": "https://alice.example/a/1", "type": "Create", "actor": "https://alice.example/actor"}
    found = report(by_alice({**create, "object": note()}))
    assert found.holds
    assert outcomes(found) == [("activity", "signed"), ("object", "covered")]


@pytest.mark.parametrize("name", ["S0", "S1-by-thief"])
def test_key_statements_are_signed_by_their_did_key(name: str) -> None:
    assert report(signed(name)).holds


def test_the_feed_head_holds() -> None:
    assert report(signed("head"), K1).holds


@pytest.mark.parametrize("vector", vectors("eddsa_jcs_2022")["vectors"], ids=lambda vector: vector["name"])
def test_published_documents_hold(vector: Document) -> None:
    key = PublicIdentity.from_multikey(vectors("eddsa_jcs_2022")["public"])
    assert report(vector["secured"], key).holds


def test_an_actor_document_is_its_own_owner() -> None:
    assert report(by_alice({"id": "https://alice.example/actor", "type": "Person"})).holds


# ── what does not ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (signed("note 1") | {"content": "other"}, [("document", "wrong_proof")]),
        (unsigned(signed("note 1")), [("document", "unsigned")]),
        (signed("note 1") | {"proof": []}, [("document", "unsigned")]),
        ({}, [("document", "unsigned")]),
        ({"object": {}}, [("activity", "unsigned"), ("object", "unsigned")]),
        # under another key
        (signed("note 4"), [("document", "wrong_proof")]),
        (signed("Create of note 4"), [("activity", "wrong_proof"), ("object", "wrong_proof")]),
        # broken outside, whole inside
        ({**signed("note 1"), "object": signed("note 1")}, [("activity", "wrong_proof"), ("object", "signed")]),
        # bundles
        ({"type": "Evidence", "version": 2, "object": signed("note 1")}, [("document", "bad_bundle")]),
        ({"type": "Evidence", "version": 1, "object": "https://alice.example/notes/1"}, [("document", "bad_bundle")]),
        ({"type": "Evidence", "version": 1}, [("document", "bad_bundle")]),
        (signed("note 1") | {"type": "Evidence", "version": 1}, [("document", "bad_bundle")]),
    ],
)
def test_what_does_not_hold(document: Document, expected: list[tuple[str, str]]) -> None:
    found = report(document)
    assert not found.holds
    assert outcomes(found) == expected


@pytest.mark.parametrize(
    ("changes", "method", "code"),
    [
        ({"attributedTo": "https://alice.example/other"}, None, "wrong_owner"),
        ({"attributedTo": "https://mallory.example/actor"}, None, "wrong_owner"),
        ({"attributedTo": ["https://alice.example/actor", "https://bob.example/actor"]}, None, "wrong_owner"),
        ({"attributedTo": 7}, None, "wrong_owner"),
        ({"actor": "https://bob.example/actor"}, None, "wrong_owner"),
        ({}, "https://alice.example/other#main", "wrong_owner"),
        ({}, "https://mallory.example/actor#main", "wrong_owner"),
        ({}, "http://alice.example/actor#main", "wrong_owner"),
        ({}, "https://mallory.example/keys/1", "wrong_owner"),
        ({}, "acct:alice@alice.example", "wrong_owner"),
        ({"id": "https://bob.example/notes/1"}, None, "wrong_origin"),
        ({"id": "https://alice.example:8443/notes/1"}, None, "wrong_origin"),
        ({"id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33"}, None, "wrong_origin"),
        ({"id": "https://[broken/notes/1"}, None, "wrong_origin"),
    ],
)
def test_a_key_must_belong_to_whom_the_document_names(changes: Document, method: str | None, code: str) -> None:
    """FEP-fe34: same owner and same origin; alice's good signature does not make bob's note."""
    document = by_alice(note(**changes), method) if method else by_alice(note(**changes))
    found = report(document)
    assert (found.holds, outcomes(found)) == (False, [("document", code)])


@pytest.mark.parametrize("author", [["https://alice.example/actor", "https://bob.example/actor"], {}, 7, ""])
def test_a_key_that_is_bound_to_nobody_still_needs_one_author(author: object) -> None:
    """integrity-proofs §5.5: owner, "all single-valued", also where the method is a did:key."""
    found = report(by_alice(note(attributedTo=author), K0.did))
    assert (found.holds, outcomes(found)) == (False, [("document", "wrong_owner")])


def test_a_key_with_its_own_address_needs_the_same_origin() -> None:
    assert report(by_alice(note(), "https://alice.example:443/keys/1")).holds


def test_passing_a_note_on_does_not_sign_it() -> None:
    """alice's Announce covers her act, not the words she says are bob's."""
    announce = {"id": "https://alice.example/a/1", "type": "Announce", "actor": "https://alice.example/actor"}
    theirs = note(id="https://bob.example/notes/1", attributedTo="https://bob.example/actor")
    for passed_on in (theirs, {name: value for name, value in theirs.items() if name != "attributedTo"}):
        found = report(by_alice({**announce, "object": passed_on}))
        assert (found.holds, outcomes(found)) == (False, [("activity", "signed"), ("object", "unsigned")])


def test_a_future_proof_does_not_hold() -> None:
    early = signed("note 1")
    assert not verify_document(json.dumps(early).encode(), K0, NOW.replace(year=2025)).holds


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000])
def test_bytes_that_are_not_strict_json_are_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        verify_document(data, K0, NOW)


# ── python -m keys verify ────────────────────────────────────────────────────────────────────

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "keys", *arguments], input=data, capture_output=True, cwd=ROOT)


def file(tmp_path: Path, document: object) -> str:
    path = tmp_path / "note.json"
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize("key", [K0.multikey, K0.did, f"{K0.did}#{K0.multikey}"])
def test_the_command_says_what_holds(tmp_path: Path, key: str) -> None:
    done = run("verify", file(tmp_path, signed("note 1")), "--key", key)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "holds"
    assert any("https://alice.example/notes/1" in line for line in lines)
    assert any("2026-01-01T12:00:00Z" in line for line in lines)


def test_the_command_reads_standard_input_and_writes_json() -> None:
    done = run("verify", "-", "--key", K1.multikey, "--json", data=json.dumps(signed("Create of note 4")).encode())
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["holds"], found["key"]) == (True, K1.multikey)
    assert [part["outcome"] for part in found["parts"]] == ["signed", "signed"]


@pytest.mark.parametrize(
    "document", [signed("note 1") | {"content": "x"}, unsigned(signed("note 1")), signed("note 4"), {}]
)
def test_the_command_says_what_does_not_hold(tmp_path: Path, document: Document) -> None:
    done = run("verify", file(tmp_path, document), "--key", K0.multikey)
    assert done.returncode == 1
    assert done.stdout.startswith(b"does not hold\n")


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"NaN"])
def test_a_broken_file_is_one_sentence_and_exit_1(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(data)
    complaint(run("verify", str(path), "--key", K0.multikey), 1)


def complaint(done: subprocess.CompletedProcess[bytes], status: int) -> None:
    assert done.returncode == status
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"keys: ")
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    "key", ["", "z6Mk", "alice", "did:web:alice.example", MALLORY.secret_multikey, "z" + "1" * 9999]
)
def test_a_key_that_is_none_is_misuse(tmp_path: Path, key: str) -> None:
    done = run("verify", file(tmp_path, signed("note 1")), "--key", key)
    complaint(done, 2)
    assert MALLORY.secret_multikey[4:].encode() not in done.stderr


def test_a_file_that_cannot_be_read_is_misuse(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate(16 * 2**20 + 1)
    for name in (str(tmp_path), str(tmp_path / "nowhere"), "a" * 5000, str(huge)):
        complaint(run("verify", name, "--key", K0.multikey), 2)


@pytest.mark.parametrize("arguments", [[], ["verify"], ["verify", "x"], ["sign", "x"], ["verify", "x", "--key"]])
def test_misuse_is_exit_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"usage:" in done.stderr


def test_help_ends_with_an_example() -> None:
    done = run("verify", "--help")
    assert done.returncode == 0
    assert b"python -m keys verify -" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_the_exit_status_is_there_when_nobody_reads(tmp_path: Path, closed: str) -> None:
    """A script that wants the status alone may close the streams; 1 means that a signature does not hold."""
    for document, status in ((signed("note 1"), 0), (signed("note 1") | {"content": "another"}, 1)):
        command = f"'{sys.executable}' -m keys verify '{file(tmp_path, document)}' --key {K0.multikey} {closed}"
        done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True)
        assert (done.returncode, b"Traceback" in done.stderr) == (status, False), done.stderr


def test_strangers_text_does_not_steer_the_terminal(tmp_path: Path) -> None:
    document = signed("note 1") | {"id": "\x1b[2J\rholds", "type": "\x1b]0;x\x07"}
    done = run("verify", file(tmp_path, document), "--key", K0.multikey)
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout
    assert b"\r" not in done.stdout


def test_the_page_of_documentation_is_true() -> None:
    found = doctest.testmod(keys, optionflags=doctest.ELLIPSIS)
    assert (found.failed, found.attempted > 5) == (0, True)
