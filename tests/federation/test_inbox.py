"""The inbox, attacked over the wire: each refusal has its word, changes nothing, and spoils nothing after it."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from keys import Identity, TransportKey
from node.federation import quota
from node.federation.actors import REFETCH_PAUSE
from node.federation.batch import FULL
from node.federation.patience import PAUSE
from node.observe import counters
from node.storage import activities, actors, notes, refusals
from tests.support.attack import Attack, each_leaves_nothing, greet, nothing_changes
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import (
    AP,
    PUBLIC,
    Headers,
    Json,
    Place,
    Stranger,
    Tamper,
    added,
    dropped,
    replaced,
    rsa_key,
    stamp,
)

HOUR = timedelta(hours=1)
NEW_FACES = ("actors", "keys", "hosts")


# ── the signature (security.md §1) ───────────────────────────────────────────────────────────


def _again(name: str) -> Tamper:
    """A header said twice."""
    return lambda headers: [*headers, *((key, value) for key, value in headers if key.lower() == name)]


def _signature(change: tuple[str, str]) -> Tamper:
    old, new = change
    return lambda headers: [
        (name, value.replace(old, new) if name == "Signature" else value) for name, value in headers
    ]


SIGNATURES: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("none at all", {"tamper": dropped("signature")}, (401, "unsigned")),
    ("an empty one", {"tamper": replaced("signature", "")}, (400, "bad_signature_header")),
    ("noise", {"tamper": replaced("signature", "hello")}, (400, "bad_signature_header")),
    ("another key's", {"key": rsa_key("nobody")}, (401, "wrong_signature")),
    ("one over half the headers: no digest", {"covered": "(request-target) host date"}, (401, "uncovered_body")),
    ("one over half the headers: no target", {"covered": "host date digest"}, (401, "uncovered_target")),
    ("one over half the headers: no host", {"covered": "(request-target) date digest"}, (401, "uncovered_host")),
    ("one over half the headers: no date", {"covered": "(request-target) host digest"}, (401, "uncovered_date")),
    ("one over other bytes", {"signed_body": b"{}"}, (401, "wrong_digest")),
    ("no digest header", {"tamper": dropped("digest")}, (401, "wrong_digest")),
    ("two digests", {"tamper": _again("digest")}, (401, "wrong_digest")),
    ("a digest we do not know", {"tamper": replaced("digest", "MD5=AAAA")}, (401, "wrong_digest")),
    ("a digest and its doubtful twin", {"tamper": added("digest", "SHA-256=")}, (401, "wrong_digest")),
    ("two signatures", {"tamper": _again("signature")}, (400, "bad_signature_header")),
    (
        "a parameter twice",
        {"tamper": _signature(("keyId=", 'keyId="http://x.example/",keyId='))},
        (400, "bad_signature_header"),
    ),
    ("an algorithm of secrets", {"tamper": _signature(("rsa-sha256", "hmac-sha256"))}, (401, "wrong_signature")),
    ("no algorithm worth the name", {"tamper": _signature(("rsa-sha256", "none"))}, (401, "wrong_signature")),
    ("yesterday's", {"at": datetime.now(UTC) - timedelta(days=1)}, (401, "stale")),
    ("tomorrow's", {"at": datetime.now(UTC) + timedelta(days=1)}, (401, "stale")),
    ("one with a date that is none", {"tamper": replaced("date", "soon")}, (401, "stale")),
    ("one for another host", {"tamper": replaced("host", "elsewhere.example")}, (401, "wrong_host")),
    ("a key id that is no address", {"key_id": "acct:carol@example.org"}, (400, "bad_signature_header")),
    ("a key id with half an address", {"key_id": "http://["}, (400, "bad_signature_header")),
    (
        "a key id with no such port",
        {"key_id": "https://example.org:99999/users/x#main-key"},
        (400, "bad_signature_header"),
    ),
]


async def test_a_request_is_believed_on_a_whole_signature_only(alice: Home, carol: Stranger) -> None:
    """http-signatures §3: a closed profile; a missing signature takes the same path as a wrong one."""

    def attack(name: str, how: dict[str, Any], want: tuple[int, str]) -> Attack:
        return name, lambda: carol.deliver(carol.say("attack", alice.node.ids.actor), alice.base, **how), want

    await each_leaves_nothing(alice, carol, [attack(*row) for row in SIGNATURES])
    assert await alice.shows("attack") is None


async def test_a_key_of_ours_speaks_for_nobody_outside(alice: Home, carol: Stranger) -> None:
    """security.md §2: "own origin never from outside": refused before any key is looked up."""
    me = alice.node.ids.actor
    for key_id in (f"{me}#main-key", me, alice.node.ids.server_key, f"{alice.base}/x#y"):
        async with nothing_changes(alice, carol):
            reply = await carol.deliver(carol.say("attack", me), alice.base, key_id=key_id)
            assert reply.verdict == (403, "own_origin")


@pytest.mark.parametrize("dialect", ["cavage", "rfc9421"])
async def test_both_dialects_are_understood(alice: Home, carol: Stranger, dialect: str) -> None:
    """http-signatures §1: inbound, draft-cavage-12 and RFC 9421 are both verified."""
    await greet(alice, carol, dialect=dialect)


@pytest.mark.parametrize("dialect", ["cavage", "rfc9421"])
async def test_a_request_moved_to_another_node_is_refused(
    alice: Home, bob: Home, carol: Stranger, dialect: str
) -> None:
    """security.md §1, cross-host replay: "signed host must be a configured own host, not the Host header"."""
    await greet(bob, carol)
    async with nothing_changes(alice, carol):
        body = json.dumps(carol.say("for bob", alice.node.ids.actor)).encode()
        headers = carol.signed("POST", bob.base + "/inbox", body, dialect=dialect)
        reply = await carol.send("POST", alice.base + "/inbox", [("Content-Type", AP), *headers], body)
        assert reply.status == 401
        assert reply.code in ("wrong_host", "wrong_signature")


@pytest.mark.parametrize("dialect", ["cavage", "rfc9421"])
async def test_the_same_request_twice_is_one_activity(alice: Home, carol: Stranger, dialect: str) -> None:
    """security.md §1: "Same-request replay: remember activity ids"."""
    await greet(alice, carol)
    body = json.dumps(carol.say("once", alice.node.ids.actor)).encode()
    headers = [("Content-Type", AP), *carol.signed("POST", alice.base + "/inbox", body, dialect=dialect)]
    assert (await carol.send("POST", alice.base + "/inbox", headers, body)).status == 202
    before = await alice.rows()
    replies = [await carol.send("POST", alice.base + "/inbox", headers, body) for _ in range(3)]
    assert [reply.status for reply in replies] == [202] * 3
    assert await alice.rows() == before


# ── keys and their owners ────────────────────────────────────────────────────────────────────


async def test_a_key_that_its_claimed_owner_does_not_list_is_refused(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """Mastodon GHSA-3fjr-858r-92rw: "key doc → owner → fetch owner → owner lists this key id"."""
    mallory.extra = {"publicKey": {"id": mallory.key_id, "owner": carol.iri, "publicKeyPem": mallory.rsa.public.pem}}
    mallory.publish()
    async with nothing_changes(alice, carol, but=NEW_FACES):
        reply = await mallory.deliver(carol.say("from carol?", alice.node.ids.actor), alice.base)
        assert reply.verdict == (401, "unknown_key")


async def test_a_key_document_that_claims_another_servers_actor_is_refused(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """FEP-fe34: a key and its owner live on one origin, and each names the other."""
    key_id = f"{mallory.place.base}/keys/1"
    mallory.place.documents["/keys/1"] = {
        "id": key_id, "type": "CryptographicKey", "owner": carol.iri, "publicKeyPem": mallory.rsa.public.pem,
    }  # fmt: skip
    async with nothing_changes(alice, carol):
        carol.place.asked.clear()
        reply = await mallory.deliver(carol.say("stolen", alice.node.ids.actor), alice.base, key_id=key_id)
        assert reply.verdict == (401, "unknown_key")
        assert not carol.place.asked


async def test_a_key_document_of_its_own_is_followed_to_its_owner(alice: Home, carol: Stranger) -> None:
    """http-signatures §6: a separate key document; its owner must list it."""
    key_id = f"{carol.iri}/main-key"
    carol.extra = {"publicKey": {"id": key_id, "owner": carol.iri, "publicKeyPem": carol.rsa.public.pem}}
    carol.publish()
    carol.place.documents["/users/carol/main-key"] = {
        "id": key_id, "type": "Key", "owner": carol.iri, "publicKeyPem": carol.rsa.public.pem,
    }  # fmt: skip
    await greet(alice, carol, key_id=key_id)


@pytest.mark.parametrize("answer", [b'{"id": "http://["}', b"{", b'{"id": 7}', b"[]", b'{"a":1,"a":2}'])
async def test_whatever_stands_where_a_key_should_be_is_no_key(
    alice: Home, carol: Stranger, mallory: Stranger, answer: bytes
) -> None:
    """Key documents are written by strangers too: a refusal, no traceback, and asked for once."""

    async def junk(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=answer, content_type=AP)

    mallory.place.documents["/users/mallory"] = junk
    async with nothing_changes(alice, carol):
        replies = [await mallory.deliver(mallory.say("x", alice.node.ids.actor), alice.base) for _ in range(3)]
        assert [reply.status for reply in replies] == [503] * 3
        assert {reply.code for reply in replies} == {"key_unreachable"}
        assert replies[0].headers["Retry-After"] == "60"
    assert mallory.place.asked["/users/mallory"] == 1


async def test_unknown_keys_of_one_host_are_not_a_way_to_make_us_ask(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """Issue 3: "unknown-key floods cause at most one fetch per host per minute", one by one and all together."""
    async with nothing_changes(alice, carol):
        for minute in range(1, 3):
            ghosts = [f"{mallory.place.base}/users/ghost{number}#main-key" for number in range(40)]
            says = [mallory.say("x", alice.node.ids.actor) for _ in ghosts]
            flood = zip(says, ghosts, strict=True)
            replies = [await mallory.deliver(said, alice.base, key_id=ghost) for said, ghost in islice(flood, 10)]
            replies += await asyncio.gather(*(mallory.deliver(said, alice.base, key_id=ghost) for said, ghost in flood))
            assert {reply.verdict for reply in replies} <= {(401, "unknown_key"), (503, "key_unreachable")}
            assert all(reply.headers["Retry-After"] == "60" for reply in replies if reply.status == 503)
            assert sum(mallory.place.asked.values()) == minute
            alice.clock.forward(PAUSE)


async def test_keys_of_real_accounts_are_no_other_way_to_make_us_ask(
    alice: Home, carol: Stranger, elsewhere: Place
) -> None:
    """A flood may name accounts that there are: a key fetched for a signature that is not theirs was in vain too."""
    await greet(alice, carol)
    people = [elsewhere.stranger(f"resident{number}") for number in range(10)]
    replies = [
        await one.deliver(one.say("x", alice.node.ids.actor), alice.base, key=rsa_key("nobody")) for one in people
    ]
    assert [reply.verdict for reply in replies] == [(401, "wrong_signature")] + [(503, "key_unreachable")] * 9
    assert sum(elsewhere.asked.values()) == 1
    await greet(alice, carol)


async def test_a_few_bogus_keys_shut_nobody_out(alice: Home, carol: Stranger, mallory: Stranger, place: Place) -> None:
    """One stranger's bad key ids keep those who are new on the same server waiting in line, and nobody else."""
    await greet(alice, carol)
    new = place.stranger("newcomer")
    said = new.say("new here", alice.node.ids.actor)

    async def bogus(number: int) -> int:
        key_id = f"{place.base}/users/ghost{number}#main-key"
        return (await mallory.deliver(mallory.say("x", alice.node.ids.actor), alice.base, key_id=key_id)).status

    assert await bogus(0) == 401
    assert await bogus(1) == 503
    assert (await new.deliver(said, alice.base)).status == 503
    await greet(alice, carol)
    waits = 0
    while (reply := await new.deliver(said, alice.base)).status != 202:
        assert reply.verdict == (503, "key_unreachable")
        alice.clock.forward(PAUSE)
        assert await bogus(100 + waits) in (401, 503)
        waits += 1
    assert waits <= 3
    assert await alice.shows("new here")


@pytest.mark.parametrize(("status", "lasts"), [(404, HOUR), (410, timedelta(days=7)), (200, HOUR)])
async def test_what_is_not_there_is_not_asked_for_again_soon(
    alice: Home, carol: Stranger, mallory: Stranger, status: int, lasts: timedelta
) -> None:
    """security.md §1: "negative cache 1 h (410: 1 week)"; a key that its actor does not list (200) is not there."""
    nameless = {**mallory.document(), "id": f"{mallory.place.base}/users/ghost", "publicKey": []}

    async def absent(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=json.dumps(nameless).encode(), content_type=AP)

    mallory.place.documents["/users/ghost"] = absent

    async def ask() -> tuple[int, str | None]:
        said, key_id = mallory.say("x", alice.node.ids.actor), f"{mallory.place.base}/users/ghost#main-key"
        return (await mallory.deliver(said, alice.base, key_id=key_id, at=alice.clock())).verdict

    for ahead in (timedelta(), lasts - 2 * PAUSE):
        alice.clock.forward(ahead)
        assert await ask() == (401, "unknown_key")
        assert mallory.place.asked["/users/ghost"] == 1
    alice.clock.forward(4 * PAUSE)
    assert await ask() == (401, "unknown_key")
    assert mallory.place.asked["/users/ghost"] == 2
    assert (await carol.deliver(carol.say("hello", alice.node.ids.actor), alice.base, at=alice.clock())).status == 202


async def test_many_requests_with_one_unknown_key_fetch_it_once(alice: Home, carol: Stranger) -> None:
    """house.md, the walk in: a key is fetched once when many arrive together."""
    says = [carol.say(f"together {number}", alice.node.ids.actor) for number in range(20)]
    replies = await asyncio.gather(*(carol.deliver(said, alice.base) for said in says))
    assert {reply.status for reply in replies} == {202}
    assert carol.place.asked["/users/carol"] == 1


async def test_who_goes_away_takes_from_nobody_what_was_asked_for_together(alice: Home, carol: Stranger) -> None:
    """house.md, the walk in: one fetch for many, and it belongs to none of them alone."""
    answer = asyncio.Event()

    async def slowly(_: web.Request) -> web.StreamResponse:
        await answer.wait()
        return web.Response(body=json.dumps(carol.document()).encode(), content_type=AP)

    carol.place.documents["/users/carol"] = slowly
    first, second = (asyncio.ensure_future(alice.node.actors.get(carol.iri)) for _ in range(2))

    async def is_asked() -> bool:
        return carol.place.asked["/users/carol"] == 1

    await eventually(is_asked)
    first.cancel()
    await asyncio.sleep(0)
    answer.set()
    assert (await asyncio.wait_for(second, 5)).actor.iri == carol.iri
    assert carol.place.asked["/users/carol"] == 1


@pytest.mark.parametrize("kind", ["Delete", "Update"])
async def test_an_unknown_account_that_deletes_itself_costs_nobody_a_request(
    alice: Home, carol: Stranger, mallory: Stranger, kind: str
) -> None:
    """federation.md §11.3: "202 and drop without fetching keys"."""
    async with nothing_changes(alice, carol):
        gone = mallory.activity(kind, mallory.iri if kind == "Delete" else mallory.document())
        assert (await mallory.deliver(gone, alice.base)).status == 202
    assert not mallory.place.asked


async def test_only_a_farewell_is_dropped_unread(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """federation.md §11.3: "Delete (or Update) of an unknown actor"; all else has to be signed."""
    async with nothing_changes(alice, carol, but=NEW_FACES):
        for kind in ("Follow", "Like", "Block", "Move"):
            itself = mallory.activity(kind, mallory.iri)
            reply = await mallory.deliver(itself, alice.base, key=rsa_key("nobody"))
            assert reply.verdict == (401, "wrong_signature"), kind


async def test_a_failing_signature_makes_us_ask_once_in_five_minutes(alice: Home, carol: Stranger) -> None:
    """http-signatures §6: "at most once per key per 5 min"."""
    await greet(alice, carol)
    asked = carol.place.asked["/users/carol"]
    for _ in range(5):
        reply = await carol.deliver(carol.say("x", alice.node.ids.actor), alice.base, key=rsa_key("nobody"))
        assert reply.verdict == (401, "wrong_signature")
    assert carol.place.asked["/users/carol"] == asked + 1
    alice.clock.forward(REFETCH_PAUSE)
    said, other = carol.say("x", alice.node.ids.actor), rsa_key("nobody")
    assert (await carol.deliver(said, alice.base, key=other, at=alice.clock())).verdict == (401, "wrong_signature")
    assert carol.place.asked["/users/carol"] == asked + 2


# ── who may say what (security.md §2) ────────────────────────────────────────────────────────

Forge = Any


def _as(victim: Stranger, said: Json) -> Json:
    return {**said, "actor": victim.iri}


OBJECTS: list[tuple[str, Forge, tuple[int, str]]] = [
    ("an activity of another's", lambda m, v, me: v.say("x", me), (403, "wrong_actor")),
    ("another's note in their own Create", lambda m, v, me: m.create(v.note("x", to=[me])), (403, "wrong_origin")),
    (
        "a note with another author",
        lambda m, v, me: m.create({**m.note("x", to=[me]), "attributedTo": v.iri}),
        (403, "wrong_author"),
    ),
    (
        "a note with two authors",
        lambda m, v, me: m.create({**m.note("x", to=[me]), "attributedTo": [m.iri, v.iri]}),
        (400, "malformed"),
    ),
    ("a note with another server's id",
     lambda m, v, me: m.create({**m.note("x", to=[me]), "id": v.new_id()}, id=m.new_id()), (403, "wrong_origin")),
    ("a note with an id of ours", lambda m, v, me: m.create({**m.note("x"), "id": f"{me}x"}, id=m.new_id()),
     (403, "own_origin")),
    ("an activity with an id of ours", lambda m, v, me: {**m.say("x", me), "id": f"{me}/1"}, (403, "own_origin")),
    ("an activity with another server's id", lambda m, v, me: {**m.say("x", me), "id": v.new_id()},
     (403, "wrong_origin")),
    ("something by us", lambda m, v, me: {**m.say("x", me), "actor": me}, (403, "own_origin")),
    ("several actors", lambda m, v, me: {**m.say("x", me), "actor": [m.iri, v.iri]}, (400, "malformed")),
    ("an embedded actor", lambda m, v, me: {**m.say("x", me), "actor": v.document()}, (403, "wrong_actor")),
    ("another's Delete", lambda m, v, me: m.activity("Delete", v.new_id()), (403, "wrong_origin")),
    ("another's account deleted", lambda m, v, me: m.activity("Delete", v.iri), (403, "wrong_origin")),
    ("another's profile", lambda m, v, me: m.activity("Update", v.document()), (403, "wrong_author")),
    ("another's Follow", lambda m, v, me: _as(v, m.activity("Follow", me)), (403, "wrong_actor")),
    ("a Follow of somebody else", lambda m, v, me: m.activity("Follow", v.iri), (404, "not_for_us")),
    ("the Undo of another's Follow",
     lambda m, v, me: m.activity("Undo", {"type": "Follow", "id": v.new_id(), "actor": v.iri, "object": me}),
     (403, "wrong_actor")),
    ("an Accept for somebody else's Follow",
     lambda m, v, me: m.activity("Accept", {"type": "Follow", "id": v.new_id(), "actor": v.iri, "object": m.iri}),
     (404, "not_for_us")),
    ("a rearranged document", lambda m, v, me: {**m.say("x", me), "@graph": []}, (400, "malformed")),
    ("an included document", lambda m, v, me: {**m.say("x", me), "@included": []}, (400, "malformed")),
    ("a reversed note", lambda m, v, me: m.create({**m.note("x", to=[me]), "@reverse": {}}), (400, "malformed")),
]  # fmt: skip


async def test_nobody_speaks_for_another(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """ActivityPub §3: "Servers SHOULD validate the content they receive to avoid content spoofing attacks." """

    def attack(name: str, forge: Forge, want: tuple[int, str]) -> Attack:
        return name, lambda: mallory.deliver(forge(mallory, carol, alice.node.ids.actor), alice.base), want

    await greet(alice, mallory)
    await each_leaves_nothing(alice, carol, [attack(*row) for row in OBJECTS])


async def test_types_we_do_nothing_with_are_accepted_and_leave_nothing(alice: Home, carol: Stranger) -> None:
    """federation.md §7: "View, Listen, Join, Offer, unknown types: 202, not stored"."""

    def attack(kind: str) -> Attack:
        forged = {**carol.note("words in another's mouth"), "attributedTo": alice.node.ids.actor}
        return kind, lambda: carol.deliver(carol.activity(kind, forged), alice.base), (202, None)

    kinds = ("Announce", "Like", "Add", "Remove", "Listen", "View", "Frobnicate")
    await each_leaves_nothing(alice, carol, map(attack, kinds))


async def test_a_neighbour_who_takes_an_id_first_shuts_nobody_out(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """security.md §1: "remember activity ids (per actor)": carol and dave live on one server."""
    coming = dave.say("what I came to say", alice.node.ids.actor)
    taken = {**carol.say("mine now", alice.node.ids.actor), "id": coming["id"]}
    assert (await carol.deliver(taken, alice.base)).status == 202
    assert (await dave.deliver(coming, alice.base)).status == 202
    post = await alice.shows("what I came to say")
    assert post is not None
    async with alice.node.store.read() as tx:
        carried = await notes.evidence_of(tx, post.id)
        assert carried is not None
        evidence = await activities.get(tx, carried)
    assert evidence is not None
    assert evidence.actor == dave.iri
    before = await alice.rows()
    assert (await dave.deliver(coming, alice.base)).status == 202  # and the guard still knows it
    assert await alice.rows() == before


async def test_a_note_that_concerns_nobody_here_is_not_kept(alice: Home, carol: Stranger) -> None:
    """security.md §2: "relevance: followed author, mention, reply to own"."""
    async with nothing_changes(alice, carol):
        assert (await carol.deliver(carol.create(carol.note("to the world")), alice.base)).status == 202


# ── proofs (security.md §3; integrity-proofs.md §5; decisions.md §7, §19) ────────────────────


async def test_a_post_with_its_authors_proof_is_signed(alice: Home, dave: Stranger) -> None:
    """decisions.md §7: "signed — a valid proof on the post by the author's own key"."""
    await dave.deliver(dave.say("by my own hand", alice.node.ids.actor), alice.base)
    post = await alice.shows("by my own hand")
    assert post is not None
    assert (post.authorship.verdict, post.authorship.key) == ("signed", dave.identity.public.multikey)


async def test_a_post_without_a_proof_is_vouched_for(alice: Home, carol: Stranger) -> None:
    """decisions.md §7: "vouched — no proof; the author's server delivered it under a valid HTTP signature"."""
    await carol.deliver(carol.say("on my word", alice.node.ids.actor), alice.base)
    post = await alice.shows("on my word")
    assert post is not None
    assert (post.authorship.verdict, post.authorship.key) == ("vouched", carol.rsa.public.fingerprint)


def _broken(said: Json) -> Json:
    """A Create whose note was changed after it was signed."""
    note = said["object"]
    assert isinstance(note, dict)
    return {**said, "object": {**note, "content": "<p>changed after signing</p>"}}


def _with_proof(said: Json, **options: object) -> Json:
    note = said["object"]
    assert isinstance(note, dict)
    return {**said, "object": {**note, "proof": {**note["proof"], **options}}}


PROOFS: list[tuple[str, Forge]] = [
    ("over another text", lambda d, me: _broken(d.say("x", me))),
    ("with a value that is none", lambda d, me: _with_proof(d.say("x", me), proofValue="z1111")),
    ("from the future", lambda d, me: _with_proof(d.say("x", me), created=stamp(datetime.now(UTC) + 2 * HOUR))),
    ("that expired", lambda d, me: _with_proof(d.say("x", me), expires=stamp(datetime.now(UTC) - HOUR))),
    ("by a method that is no address", lambda d, me: _with_proof(d.say("x", me), verificationMethod="http://[")),
    (
        "by a did:key of one's own",
        lambda d, me: d.create(d.prove(d.note("x", to=[me]), method=d.identity.public.did)),
    ),
    (
        "by a key that the actor does not list",
        lambda d, me: d.create(_signed_by(Identity.generate(), d, d.note("x", to=[me]))),
    ),
]


def _signed_by(identity: Identity, who: Stranger, note: Json) -> Json:
    own, who.identity = who.identity, identity
    try:
        return who.prove(note)
    finally:
        who.identity = own


async def test_a_proof_that_does_not_hold_is_refused_from_one_who_has_a_key(
    alice: Home, carol: Stranger, dave: Stranger
) -> None:
    """decisions.md §19: "refused outright when the author has a pinned identity"."""

    def attack(name: str, forge: Forge) -> Attack:
        return name, lambda: dave.deliver(forge(dave, alice.node.ids.actor), alice.base), (403, "bad_proof")

    await greet(alice, dave)
    await each_leaves_nothing(alice, carol, [attack(*row) for row in PROOFS])
    await greet(alice, dave)


async def test_a_proof_sends_us_to_nobody_but_its_author(
    alice: Home, carol: Stranger, mallory: Stranger, place: Place
) -> None:
    """integrity-proofs §5: "origin(V) == origin(object id)": whose key is called something else is not looked for."""
    me = alice.node.ids.actor
    await greet(alice, mallory)
    method = f"{place.base}/users/dave#key"
    note = mallory.note("x", to=[me])
    elsewhere = mallory.create(mallory.prove({**note, "attributedTo": mallory.iri}, method=method))
    async with nothing_changes(alice, carol):
        place.asked.clear()
        assert (await mallory.deliver(elsewhere, alice.base)).verdict == (403, "bad_proof")
        foreign = mallory.prove({**carol.create(note), "id": mallory.new_id()}, method=f"{mallory.iri}#other")
        assert (await mallory.deliver(foreign, alice.base)).status == 403
        assert not place.asked


async def test_a_key_of_a_proof_is_not_remembered_at_any_length(alice: Home, dave: Stranger) -> None:
    """security.md §10: what was asked for in vain is kept in memory, and a name has at most 2,048 characters."""
    await greet(alice, dave)
    tracemalloc.start()
    try:
        for number in range(20):
            said = dave.say("x", alice.node.ids.actor)
            method = f"{dave.iri}#{number}{'x' * 500_000}"
            reply = await dave.deliver(_with_proof(said, verificationMethod=method), alice.base)
            assert reply.verdict == (403, "bad_proof")
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5_000_000
    await greet(alice, dave)


async def test_a_key_of_a_proof_that_no_database_takes_is_the_strangers_fault(
    tmp_path: Path, postgres_url: str, place: Place
) -> None:
    """security.md §4, "NUL, control characters": a refusal, and not a 503 with an error for the owner to look at."""
    home = await settle_in(tmp_path, "alice", database_url=postgres_url)
    await home.start()
    try:
        dave = place.stranger("dave", proofs=True)
        await greet(home, dave)
        said = _with_proof(dave.say("x", home.node.ids.actor), verificationMethod=f"{dave.iri}#\0")
        assert (await dave.deliver(said, home.base)).verdict == (403, "bad_proof")
        await greet(home, dave)
    finally:
        await home.stop()


async def test_a_wrong_proof_from_an_ordinary_author_leaves_the_post_vouched_for(alice: Home, carol: Stranger) -> None:
    """decisions.md §19: "accepted as `vouched`, the reason kept and counted"."""
    note = carol.prove(carol.note("clumsy", to=[alice.node.ids.actor]))
    assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    post = await alice.shows("clumsy")
    assert post is not None
    assert post.authorship.verdict == "vouched"
    assert "does not hold" in post.authorship.reason


async def test_something_called_a_proof_is_no_proof(alice: Home, carol: Stranger) -> None:
    """security.md §3: "proof must be one object; anything else = no proof"."""
    proofs = (None, [], {}, "yes", {"type": "DataIntegrityProof"})
    for number, proof in enumerate(proofs):
        said = carol.say(f"decorated {number}", alice.node.ids.actor, proof=proof)
        assert (await carol.deliver(said, alice.base)).status == 202, proof
    shown = [await alice.shows(f"decorated {number}") for number, _ in enumerate(proofs)]
    assert [post and post.authorship.verdict for post in shown] == ["vouched"] * len(proofs)


async def test_a_post_forwarded_by_another_is_believed_on_its_authors_proof(
    alice: Home, dave: Stranger, mallory: Stranger
) -> None:
    """integrity-proofs §7: "accepted on proof alone: Create …", whoever brings it."""
    said = dave.prove(dave.say("carried by others", alice.node.ids.actor))
    assert (await mallory.deliver(said, alice.base)).status == 202
    post = await alice.shows("carried by others")
    assert post is not None
    assert (post.authorship.verdict, post.note.author) == ("signed", dave.iri)


async def test_a_post_signed_long_ago_is_not_believed_from_others(
    alice: Home, dave: Stranger, mallory: Stranger
) -> None:
    """integrity-proofs §7: "created older than 30 days … only if the object is still at its origin": it was deleted."""
    await greet(alice, mallory)
    me, now = alice.node.ids.actor, datetime.now(UTC)
    old = {
        days: dave.prove(dave.say(f"signed {days} days ago", me), at=now - timedelta(days=days)) for days in (29, 31)
    }
    async with nothing_changes(alice, dave):
        assert (await mallory.deliver(old[31], alice.base)).verdict == (403, "wrong_actor")
    assert (await mallory.deliver(old[29], alice.base)).status == 202
    assert (await dave.deliver(old[31], alice.base)).status == 202  # the author says it now
    assert await alice.shows("signed 31 days ago")


async def test_a_post_forwarded_without_its_authors_proof_is_refused(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger
) -> None:
    """security.md §3, stripping: the whole activity must be its actor's, not only a part of it."""
    await greet(alice, dave)
    await greet(alice, mallory)
    me = alice.node.ids.actor
    changed: dict[str, Json] = {
        "no proof": carol.say("x", me),
        "only the note is proven": dave.say("x", me),
        "changed on the way": {**dave.prove(dave.say("x", me)), "to": [PUBLIC]},
        "by the bearer": mallory.prove(carol.say("x", me)),
    }

    def attack(name: str) -> Attack:
        return name, lambda: mallory.deliver(changed[name], alice.base), (403, "wrong_actor")

    await each_leaves_nothing(alice, carol, map(attack, changed))


async def test_a_follow_is_not_believed_on_a_proof(alice: Home, dave: Stranger, mallory: Stranger) -> None:
    """integrity-proofs §7: "Not on proof alone: Follow, Accept, Reject …"."""
    await greet(alice, dave)
    async with nothing_changes(alice, dave, but=NEW_FACES):
        follow = dave.prove(dave.activity("Follow", alice.node.ids.actor))
        assert (await mallory.deliver(follow, alice.base)).verdict == (403, "wrong_actor")


async def test_the_evidence_is_the_bytes_and_headers_as_they_came(alice: Home, dave: Stranger) -> None:
    """decisions.md §8: "the bytes as received, the signature headers, the key used, the time"."""
    said = dave.say("for the record", alice.node.ids.actor)
    body = json.dumps(said, indent=3, ensure_ascii=False).encode() + b"\n \n"
    assert (await dave.deliver(body, alice.base)).status == 202
    post = await alice.shows("for the record")
    assert post is not None
    async with alice.node.store.read() as tx:
        carrier = await notes.evidence_of(tx, post.id)
        assert carrier is not None
        logged = await activities.get(tx, carrier)
    assert logged is not None
    assert logged.body == body
    assert (logged.key_id, logged.key) == (dave.key_id, dave.rsa.public.pem)
    names = [name for name, _ in logged.headers]
    assert {"host", "date", "digest", "signature"} <= set(names)


# ── parsing (security.md §4) ─────────────────────────────────────────────────────────────────


def _doc(text: str) -> bytes:
    return ('{"id":"http://x.example/1","type":"Create","actor":"http://x.example/a","object":' + text + "}").encode()


BODIES: list[tuple[str, bytes, tuple[int, str]]] = [
    ("nothing", b"", (400, "broken_json")),
    ("broken JSON", b'{"id": ', (400, "broken_json")),
    ("a list", b"[]", (400, "broken_json")),
    ("a duplicate name", b'{"type":"Like","type":"Create"}', (400, "duplicate_name")),
    ("depth 1000", _doc("[" * 1000 + "]" * 1000), (400, "too_deep")),
    ("depth 200 000", _doc("[" * 200_000 + "]" * 200_000), (400, "too_deep")),
    ("1e400", _doc("1e400"), (400, "bad_number")),
    ("NaN", _doc("NaN"), (400, "bad_number")),
    ("Infinity", _doc("-Infinity"), (400, "bad_number")),
    ("a number of 5000 digits", _doc("9" * 5000), (400, "bad_number")),
    ("half a surrogate pair", _doc(r'"\ud800"'), (400, "lone_surrogate")),
    ("bytes that are not UTF-8", b'{"a":"\xff"}', (400, "not_utf8")),
    ("a byte order mark", b"\xef\xbb\xbf{}", (400, "not_utf8")),
    ("no type", b"{}", (400, "malformed")),
    ("a type that is a number", b'{"type":7}', (400, "malformed")),
]  # fmt: skip


async def test_a_body_that_cannot_be_read_in_one_way_only_is_refused(alice: Home, carol: Stranger) -> None:
    """security.md §0.5: "Parse the body ONCE, with a strict parser"."""

    def attack(name: str, body: bytes, want: tuple[int, str]) -> Attack:
        return name, lambda: carol.deliver(body, alice.base), want

    await each_leaves_nothing(alice, carol, [attack(*row) for row in BODIES])


WRONG: list[object] = [None, 7, True, [], {}, [[]], "", "not an address", {"id": 7}, ["a", 1], "\u0000", 1.5]


async def _odd(home: Home, friend: Stranger, name: str, said: list[Json], answers: tuple[int, ...]) -> list[str]:
    """What is wrong with how odd activities were taken, each with another of WRONG, and with what is read then."""
    wrong = []
    for value, one in zip(WRONG, said, strict=True):
        reply = await friend.deliver(one, home.base)
        if reply.status not in answers or not (reply.status == 202 or reply.code):
            wrong.append(f"{name} {value!r}: answered {reply.verdict}")
    try:
        await home.texts()
        await home.said_to_me()
    except Exception as error:  # the other names are looked at all the same
        wrong.append(f"{name}: what was taken cannot be read: {error!r}")
    else:
        await greet(home, friend)
    return wrong


async def test_a_wrong_type_anywhere_in_an_activity_is_a_refusal_or_harmless(alice: Home, carol: Stranger) -> None:
    """security.md §4: "validate to dataclasses at the door; rendering never touches raw JSON"."""
    await greet(alice, carol)
    wrong = []
    for name in ("id", "type", "actor", "object", "to", "cc", "@context", "proof", "published"):
        said: list[Json] = [{**carol.say("odd", alice.node.ids.actor), name: value} for value in WRONG]
        wrong += await _odd(alice, carol, name, said, (202, 400, 401, 403))
    assert not wrong, "\n".join(wrong)


NOTE = (
    *("id", "type", "attributedTo", "to", "cc", "content", "contentMap", "summary", "published", "updated", "url"),
    *("inReplyTo", "context", "tag", "attachment", "sensitive", "source", "proof", "@context"),
)


async def test_a_wrong_type_anywhere_in_a_note_is_a_refusal_or_harmless(alice: Home, carol: Stranger) -> None:
    """Akkoma 3.13: what is stored in a wrong type poisons the timeline for ever."""
    await greet(alice, carol)
    wrong = []
    for name in NOTE:
        odd = [{**carol.note("odd", to=[alice.node.ids.actor]), name: value} for value in WRONG]
        said = [carol.create({"to": [], "cc": [], **note}, id=carol.new_id("activities")) for note in odd]
        wrong += await _odd(alice, carol, name, said, (202, 400, 403))
    assert not wrong, "\n".join(wrong)


# ── exhaustion (security.md §10) ─────────────────────────────────────────────────────────────


async def test_a_body_over_a_mebibyte_is_refused(alice: Home, carol: Stranger) -> None:
    """federation.md §11.1: "Size ≤ 1 MiB (else 413)"."""
    async with nothing_changes(alice, carol):
        assert (await carol.deliver(b" " * (1 << 20) + b"{}", alice.base)).verdict == (413, "too_large")


async def _raw(home: Home, head: str, *parts: bytes) -> bytes:
    """Write bytes to the node as they are, a little apart, and read the beginning of what comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", home.settings.listen_port)
    writer.write(head.replace("\n", "\r\n").encode())
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        return await asyncio.wait_for(reader.read(65536), 10)
    finally:
        writer.close()


async def test_a_body_without_a_length_is_counted_as_it_comes(alice: Home, carol: Stranger) -> None:
    """security.md §10: big and chunked requests meet the same limit."""
    async with nothing_changes(alice, carol):
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        head = f"POST /inbox HTTP/1.1\nHost: {alice.settings.listen}\nContent-Type: {AP}\n"
        answer = await _raw(alice, head + "Transfer-Encoding: chunked\n\n", *[chunk] * 17, b"0\r\n\r\n")
        assert b" 413 " in answer.partition(b"\r\n")[0]


async def test_a_broken_chunk_is_an_answer_and_no_traceback(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad input is a 4xx, and what went on inside stays inside."""
    monkeypatch.setattr("node.federation.reception.BODY_TIMEOUT", 0.3)
    async with nothing_changes(alice, carol):
        head = f"POST /inbox HTTP/1.1\nHost: {alice.settings.listen}\nContent-Type: {AP}\n"
        for parts in ((b"nonsense\r\n",), (b"2\r\n{}\r\n", b"nonsense\r\n")):
            answer = await _raw(alice, head + "Transfer-Encoding: chunked\n\n", *parts)
            assert answer.partition(b"\r\n")[0].split()[1].startswith(b"4"), parts
            assert b"Traceback" not in answer, parts


async def test_a_compressed_body_is_not_read(alice: Home, carol: Stranger) -> None:
    """security.md §10: "refuse Content-Encoding on requests"."""

    def attack(encodings: list[str]) -> Attack:
        body = zlib.compress(json.dumps(carol.say("x", alice.node.ids.actor)).encode())

        def packed(headers: Headers) -> Headers:
            return [*headers, *(("Content-Encoding", name) for name in encodings)]

        return str(encodings), lambda: carol.deliver(body, alice.base, tamper=packed), (415, "encoded_body")

    kinds = (["gzip"], ["deflate"], ["identity", "deflate"], ["identity, deflate"])
    await each_leaves_nothing(alice, carol, map(attack, kinds))


async def test_only_activitypub_is_read(alice: Home, carol: Stranger) -> None:
    """security.md §0.7: documents are read by their type."""

    def attack(kind: str) -> Attack:
        said = carol.say("x", alice.node.ids.actor)
        return kind, lambda: carol.deliver(said, alice.base, content_type=kind), (415, "wrong_type")

    kinds = ("text/html", "application/octet-stream", "image/png", "multipart/form-data")
    await each_leaves_nothing(alice, carol, map(attack, kinds))


async def test_a_body_that_does_not_come_is_not_waited_for_long(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md §10: "Slow headers/bodies: … body 30 s" (a shorter wait here)."""
    monkeypatch.setattr("node.federation.reception.BODY_TIMEOUT", 0.3)
    async with nothing_changes(alice, carol):
        head = f"POST /inbox HTTP/1.1\nHost: {alice.settings.listen}\nContent-Type: {AP}\nContent-Length: 500\n\n"
        answer = await _raw(alice, head, b"{")
        assert answer.partition(b"\r\n")[0].split()[1] == b"408"
        assert b'"code": "slow_body"' in answer


async def test_a_full_batch_asks_to_come_back(alice: Home, carol: Stranger) -> None:
    """security.md §10: "queue with a cap … 503+Retry-After when full"."""
    await greet(alice, carol)
    batcher = alice.node.inbox._batcher
    async with alice.node.store.write():  # the one writer is busy: whatever comes now must wait
        first = asyncio.ensure_future(carol.deliver(carol.say("waiting", alice.node.ids.actor), alice.base))
        await eventually(lambda: _true(batcher._task is not None and len(batcher) == 0))
        for _ in range(FULL):
            batcher._waiting.append((None, asyncio.get_running_loop().create_future(), ""))  # type: ignore[arg-type]
        reply = await carol.deliver(carol.say("turned away", alice.node.ids.actor), alice.base)
        assert reply.verdict == (503, "busy")
        assert reply.headers["Retry-After"] == "60"
        batcher._waiting.clear()
    assert (await first).status == 202
    assert await alice.shows("turned away") is None
    await greet(alice, carol)


async def _true(value: bool) -> bool:
    return value


async def test_strangers_do_not_fill_the_disk(
    alice: Home, carol: Stranger, mallory: Stranger, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md §10: a "quota per host"; whom the owner follows there is heard, and a day later everybody is."""
    monkeypatch.setattr(quota, "ROOM", 20_000)
    await alice.restart()
    me = alice.node.ids.actor
    friend = mallory.place.stranger("friend")
    relation = await alice.node.owner.follow(friend.iri)
    assert (await friend.deliver(friend.activity("Accept", relation.activity), alice.base)).status == 202
    said = mallory.say("x" * 8_000, me)
    verdicts = [
        (await mallory.deliver(one, alice.base)).verdict
        for one in (said, mallory.say("y" * 8_000, me), mallory.say("z" * 8_000, me))
    ]
    assert verdicts == [(202, None), (202, None), (503, "busy")]
    late = mallory.place.stranger("late")
    late.extra = {"summary": "z" * 8_000}
    late.publish()
    assert (await late.deliver(late.say("x", me), alice.base)).verdict == (503, "busy")
    async with alice.node.store.read() as tx:
        assert await actors.get(tx, late.iri) is None
    assert (await friend.deliver(friend.create(friend.note("f" * 30_000)), alice.base)).status == 202
    note = said["object"]
    assert isinstance(note, dict)
    assert (await mallory.deliver(mallory.activity("Delete", note["id"]), alice.base)).status == 202
    await greet(alice, carol)


async def test_many_at_once_are_written_together(alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    """house.md, batches: group commit, "a handful of transactions for many activities"."""
    await greet(alice, carol)
    writes = 0
    store = alice.node.store
    begin = type(store).write

    def counted(self: Any) -> Any:
        nonlocal writes
        writes += 1
        return begin(self)

    monkeypatch.setattr(type(store), "write", counted)
    says = [carol.say(f"flood {number}", alice.node.ids.actor) for number in range(150)]
    async with store.write():
        sent = [asyncio.ensure_future(carol.deliver(said, alice.base)) for said in says]
        await asyncio.sleep(0.5)
    replies = await asyncio.gather(*sent)
    assert {reply.status for reply in replies} == {202}
    assert writes <= 12
    assert len([text for text in [post.note.content for post in await alice.said_to_me()] if "flood" in text]) > 70


async def test_every_refusal_is_counted_and_kept_for_the_owner(alice: Home, carol: Stranger) -> None:
    """One log event, one counter; and the owner can read it."""
    before = counters["refused.unsigned"]
    for _ in range(3):
        await carol.deliver(carol.say("x", alice.node.ids.actor), alice.base, tamper=dropped("signature"))
    assert counters["refused.unsigned"] == before + 3
    await alice.node.reception.write_down()
    async with alice.node.store.read() as tx:
        newest = (await refusals.newest(tx))[0]
    assert (newest.code, newest.times) == ("unsigned", 3)


async def test_noise_in_the_headers_is_refused_and_can_be_written_down(alice: Home, carol: Stranger) -> None:
    """Headers are bytes: what a stranger puts there must not stop the list of refusals from being kept."""
    async with nothing_changes(alice, carol, but=("refusals",)):
        head = f"POST /inbox HTTP/1.1\nHost: {alice.settings.listen}\nContent-Type: {AP}\nConnection: close\n"
        head += "Content-Length: 2\nDate: Thu, 01 Jan 1970 00:00:00 GMT\n"
        for line in (b'keyId="http://\xff\xfe/x"', b'keyId="http://[/x"', b'keyId="http://h:99999/"', b"\xff"):
            start = head.replace("\n", "\r\n").encode() + b"Signature: " + line + b"\r\nHost: \xff\r\n\r\n{}"
            reader, writer = await asyncio.open_connection("127.0.0.1", alice.settings.listen_port)
            writer.write(start)
            answer = await asyncio.wait_for(reader.read(65536), 5)
            writer.close()
            assert answer.partition(b"\r\n")[0].split()[1].startswith(b"4"), line
            await alice.node.reception.write_down()


async def test_bytes_that_are_no_text_cost_the_neighbours_nothing(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """house.md, batches: "its neighbours never notice". What is kept of a request is text: another is refused."""
    await greet(alice, mallory)
    body = json.dumps(mallory.say("spoiled", alice.node.ids.actor)).encode()
    lines = [f"{name}: {value}".encode() for name, value in mallory.signed("POST", f"{alice.base}/inbox", body)]
    head = [b"POST /inbox HTTP/1.1", *lines[:-1], lines[-1] + b',note="\xff"', b"Content-Type: " + AP.encode()]
    head += [b"Connection: close", b"Content-Length: %d" % len(body), b"", b""]
    await greet(alice, carol)
    async with alice.node.store.write():  # so that all wait for one batch
        says = [carol.say(f"unharmed {number}", alice.node.ids.actor) for number in range(8)]
        sent = [asyncio.ensure_future(carol.deliver(said, alice.base)) for said in says]
        reader, writer = await asyncio.open_connection("127.0.0.1", alice.settings.listen_port)
        writer.write(b"\r\n".join(head) + body)
        await asyncio.sleep(0.3)
    assert b'"code": "bad_signature_header"' in await asyncio.wait_for(reader.read(65536), 5)
    writer.close()
    assert {reply.status for reply in await asyncio.gather(*sent)} == {202}
    assert await alice.shows("unharmed 7")
    assert await alice.shows("spoiled") is None


async def test_keys_that_are_too_small_are_no_keys(alice: Home, carol: Stranger, place: Place) -> None:
    """http-signatures §6: "Reject RSA < 2048"."""
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = small.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    weak = place.stranger("weak")
    weak.extra = {"publicKey": {"id": weak.key_id, "owner": weak.iri, "publicKeyPem": pem.decode()}}
    weak.publish()
    key = TransportKey.__new__(TransportKey)
    key._key = small
    async with nothing_changes(alice, carol, but=NEW_FACES):
        reply = await weak.deliver(weak.say("x", alice.node.ids.actor), alice.base, key=key)
        assert reply.verdict == (401, "unknown_key")
