"""What is kept of a post shows who wrote it, later and without a network: no less than on arrival, and no more."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from keys import Identity
from node.app import _evidence
from node.federation.evidence import Bundle
from node.federation.examine import Examined, Examiner
from node.model import Verdict
from tests.support.attack import greet
from tests.support.homes import Home
from tests.support.stranger import Json, Stranger, rsa_key


async def _examined(home: Home, saved: Json | Bundle) -> Examined:
    """As `cuicui verify FILE --offline`."""
    node = home.node
    examiner = Examiner(
        node.store,
        node.actors,
        node.fetcher,
        node.documents,
        ids=node.ids,
        own_key=node.keys.identity.public,
        clock=node.clock,
        offline=True,
    )
    return await examiner.file(json.dumps(saved).encode())


async def _kept(home: Home, who: Stranger, said: Json) -> tuple[Verdict, Bundle]:
    """The verdict on arrival, and the evidence of it."""
    assert (await who.deliver(said, home.base)).status == 202
    note = said["object"]
    assert isinstance(note, dict)
    post = await home.shows(str(note["content"]).removeprefix("<p>").removesuffix("</p>"))
    assert post is not None
    return post.authorship.verdict, await _evidence(home.node, post)


@pytest.mark.parametrize("signs", [True, False])
async def test_evidence_outlives_the_key(alice: Home, carol: Stranger, dave: Stranger, signs: bool) -> None:
    """key-history.md §9: it checks offline, after the author has another key as well; that it is an old one is told."""
    who = dave if signs else carol
    verdict, bundle = await _kept(alice, who, who.say("written in the old days", alice.node.ids.actor))
    assert verdict is (Verdict.SIGNED if signs else Verdict.VOUCHED)
    assert (await _examined(alice, bundle)).verdict is verdict
    who.identity, who.rsa = Identity.generate(), rsa_key("another one")
    who.publish()
    await alice.node.actors.refresh(who.iri)
    found = await _examined(alice, bundle)
    assert (found.verdict, found.author) == (Verdict.CHANGED, who.iri)
    body = base64.b64decode(bundle["received"]["body"]).replace(b"old", b"odd")  # type: ignore[index]
    for forged in (
        json.loads(json.dumps(bundle).replace("old days", "odd days")),
        {**bundle, "object": json.loads(body)["object"], "received": {**bundle["received"], "body": _base64(body)}},  # type: ignore[dict-item]
    ):
        assert (await _examined(alice, forged)).verdict is Verdict.REFUSED


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_what_a_server_only_passed_on_is_not_its_peoples_word(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """security.md §0.1: "attributedTo == actor == key owner exactly", in a file as over the wire."""
    verdict, bundle = await _kept(alice, carol, carol.say("my own words", alice.node.ids.actor))
    forged = mallory.create(carol.note("somebody else's words"))
    body = json.dumps(forged).encode()
    headers = carol.signed("POST", f"{alice.base}/inbox", body)
    assert (await carol.deliver(forged, alice.base)).verdict == (403, "wrong_actor")
    received = {**bundle["received"], "body": _base64(body), "http": {"headers": _lower(headers)}}  # type: ignore[dict-item]
    found = await _examined(alice, {**bundle, "object": forged["object"], "received": received})
    assert (verdict, found.verdict) == (Verdict.VOUCHED, Verdict.REFUSED)


def _lower(headers: list[tuple[str, str]]) -> list[list[str]]:
    return [[name.lower(), value] for name, value in headers]


@pytest.mark.parametrize("other", [{"type": "DataIntegrityProof", "cryptosuite": "mldsa44-jcs-2024"}, None, []])
async def test_a_proof_that_we_cannot_use_hides_none_that_we_can(alice: Home, dave: Stranger, other: object) -> None:
    """integrity-proofs.md §5.1: "no usable proof" on the note, and a good one on the activity around it."""
    me = alice.node.ids.actor
    note = {**dave.note("twice", to=[me]), "tag": [{"type": "Mention", "href": me, "name": "@you"}], "proof": other}
    verdict, bundle = await _kept(alice, dave, dave.prove(dave.create(note)))
    found = await _examined(alice, bundle)
    assert (verdict, found.verdict, found.author) == (Verdict.SIGNED, Verdict.SIGNED, dave.iri)
    alone = await _examined(alice, bundle["activity"])  # type: ignore[arg-type]
    assert alone.verdict is Verdict.SIGNED


async def test_a_wrong_proof_is_judged_as_on_arrival(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """decisions.md §19: from an ordinary author "accepted as `vouched`"; from one with a pinned identity refused."""
    await greet(alice, dave)
    said = carol.create(carol.prove(carol.note("clumsy", to=[alice.node.ids.actor])))
    for broken in ({}, {"proofValue": "z1111"}):
        note: Json = {**said["object"], "id": carol.new_id()}  # type: ignore[dict-item]
        note["proof"] = {**note["proof"], **broken}  # type: ignore[dict-item]
        verdict, bundle = await _kept(alice, carol, carol.create(note))
        found = await _examined(alice, bundle)
        assert (verdict, found.verdict) == (Verdict.VOUCHED, Verdict.VOUCHED)
        assert "left aside" in found.reason
        assert (await _examined(alice, note)).verdict is Verdict.REFUSED  # nothing else speaks for it
    mark = dave.create({**dave.prove(dave.note("x", to=[alice.node.ids.actor])), "content": "<p>y</p>"})
    body = json.dumps(mark).encode()
    headers = _lower(dave.signed("POST", f"{alice.base}/inbox", body))
    received = {**bundle["received"], "body": _base64(body), "http": {"headers": headers}}  # type: ignore[dict-item]
    found = await _examined(alice, {**bundle, "object": mark["object"], "received": received})
    assert found.verdict is Verdict.REFUSED


async def test_another_key_of_somebody_known_is_a_warning(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """decisions.md §7: "authentic as far as it goes, but under a key that is not the pinned one"; not neutral."""
    await greet(alice, carol)
    await greet(alice, dave)
    now, forger = datetime.now(UTC), Identity.generate()
    for who, verdict in ((dave, Verdict.CHANGED), (carol, Verdict.VOUCHED)):  # carol has never signed
        who.identity = forger
        found = await _examined(alice, who.prove(who.note("it is me"), at=now))
        assert (found.verdict, found.key) == (verdict, forger.public.multikey)


@pytest.mark.parametrize(
    "spelt", [lambda iri: [iri], lambda iri: {"id": iri, "type": "Person"}, lambda iri: [{"id": iri}]]
)
async def test_an_author_may_be_spelt_as_on_arrival(
    alice: Home, dave: Stranger, spelt: Callable[[str], object]
) -> None:
    """AS2 Core §4.1: one author, alone or in an array of one, as an id or an object with one."""
    note = dave.note("it is I", to=[alice.node.ids.actor], attributedTo=spelt(dave.iri))
    verdict, bundle = await _kept(alice, dave, dave.create(dave.prove(note)))
    assert (verdict, (await _examined(alice, bundle)).verdict) == (Verdict.SIGNED, Verdict.SIGNED)
