"""A foreign implementation at the other end: signatures and proofs made and checked by `apsig`, not by us.

`apsig` (PyPI, MIT) shares no code with this project; it has its own draft-cavage signer, canonical
JSON and multiformats.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from apsig import ProofSigner, ProofVerifier
from apsig.draft import Signer, Verifier
from apsig.exceptions import VerificationFailedError
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.proof import created_at
from node.model import Draft, Iri, Post, Verdict
from node.storage import notes
from tests.support.homes import Home, eventually
from tests.support.stranger import Json, Place, Stranger

AP = "application/activity+json"


async def foreign_delivery(stranger: Stranger, activity: Json, home: Home) -> int:
    """Signed by apsig, sent by aiohttp: nothing of ours touches it."""
    body = json.dumps(activity).encode()
    key = load_pem_private_key(stranger.rsa.private_pem(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    url = f"{home.base}/inbox"
    headers = Signer({"Content-Type": AP}, key, "POST", url, stranger.key_id, body).sign()
    headers.pop("Authorization")
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def stored(home: Home, note: Json) -> Post | None:
    async with home.node.store.read() as tx:
        return await notes.get(tx, Iri(str(note["id"])))


def proven(stranger: Stranger, document: Json) -> Json:
    """With a proof by apsig."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(stranger.identity.seed)
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": created_at(datetime.now(UTC)),
        "verificationMethod": stranger.method,
        "proofPurpose": "assertionMethod",
    }
    signed: Json = ProofSigner(key).sign(document, options)
    return signed


async def test_a_foreign_follow_is_answered_so_that_the_foreigner_believes_it(alice: Home, carol: Stranger) -> None:
    """Follow signed by apsig; our Accept checked by apsig with the key that our actor shows."""
    follow = carol.activity("Follow", alice.node.ids.actor)
    assert await foreign_delivery(carol, follow, alice) == 202
    await alice.quiet()
    accept = carol.place.received[-1]
    assert accept.json["type"] == "Accept"
    pem = alice.node.keys.transport.public.pem
    url = f"{carol.place.base}{accept.path}"
    checked = Verifier(pem, "POST", url, dict(accept.headers), accept.body).verify(raise_on_fail=True)
    assert checked == alice.node.ids.main_key
    with pytest.raises(VerificationFailedError):
        Verifier(pem, "POST", url, dict(accept.headers), accept.body + b" ").verify(raise_on_fail=True)


async def test_our_proofs_hold_for_a_foreigner(alice: Home, carol: Stranger) -> None:
    """The Note, the Create around it, and the actor: each verifies with apsig, and not with a letter changed."""
    await foreign_delivery(carol, carol.activity("Follow", alice.node.ids.actor), alice)
    await alice.quiet()
    carol.place.received.clear()
    await alice.node.owner.post(Draft("Zażółć 🐦 gęślą", warning="jaźń", language="pl"))
    await eventually(lambda: _arrived(carol.place))
    create = carol.place.received[-1].json
    key = alice.node.keys.identity.public.multikey
    asked = {"Accept": AP}
    async with aiohttp.ClientSession() as session, session.get(alice.node.ids.actor, headers=asked) as answer:
        actor = await answer.json(content_type=None)
    for document in (create, create["object"], actor):
        assert ProofVerifier(key).verify(copy.deepcopy(document), raise_on_fail=True)
        document["published"] = "2001-01-01T00:00:00Z"
        with pytest.raises(VerificationFailedError):
            ProofVerifier(key).verify(copy.deepcopy(document), raise_on_fail=True)


async def _arrived(place: Place) -> bool:
    return bool(place.received)


async def test_foreign_proofs_hold_for_us(alice: Home, dave: Stranger) -> None:
    """Note and activity proven by apsig, delivered under a signature by apsig: `signed`."""
    note = proven(dave, dave.note("écrit ailleurs", to=[alice.node.ids.actor]))
    create = proven(dave, dave.create(note))
    assert await foreign_delivery(dave, create, alice) == 202
    post = await stored(alice, note)
    assert post is not None
    assert (post.authorship.verdict, post.authorship.key) == (Verdict.SIGNED, dave.identity.public.multikey)


async def test_a_foreign_proof_over_other_words_is_refused(alice: Home, dave: Stranger) -> None:
    """decisions.md §19: a proof that does not hold, by an author whose key is pinned."""
    note = proven(dave, dave.note("first", to=[alice.node.ids.actor]))
    assert await foreign_delivery(dave, dave.create(note), alice) == 202
    changed = {**proven(dave, dave.note("second", to=[alice.node.ids.actor])), "content": "<p>third</p>"}
    assert await foreign_delivery(dave, dave.create(changed), alice) == 403
    assert await stored(alice, note) is not None
    assert await stored(alice, changed) is None
