"""Identity and signing: who wrote this, checked by anyone, without a server and without a network.

An identity is an Ed25519 key. Its public half is written as a Multikey, `z6Mk…`; its secret half,
`z3u2…`, stays in a Keystore. It signs JSON documents with the integrity proofs of FEP-8b32, which
Mitra, Fedify, streams and Mastodon 4.7 also read:

>>> from datetime import UTC, datetime
>>> from keys import Identity, proof
>>> alice = Identity.from_seed(bytes(range(32)))
>>> alice.public.multikey
'z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd'
>>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
>>> note = {"@context": ["https://www.w3.org/ns/activitystreams"], "type": "Note", "content": "cui-cui"}
>>> signed = proof.attach(note, alice, "https://alice.example/actor#" + alice.public.multikey, noon)
>>> proof.check(signed, alice.public, now=noon).method
'https://alice.example/actor#z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd'
>>> proof.check(signed | {"content": "coucou"}, alice.public, now=noon)
Traceback (most recent call last):
keys.errors.BadProof: the proof by https://alice.example/actor#z6Mk... does not hold under z6Mk...

The same from the shell: `python -m keys verify note.json --key z6Mk…`

    canonical    strict JSON in, RFC 8785 bytes out: what is hashed
    multiformat  keys and digests as text
    identity     Ed25519: sign, verify
    transport    RSA, which HTTP signatures still ask for
    proof        attach a proof to a document, read one, verify it
    verify       a whole file: which part is signed, by whom, when
    keystore     secrets on disk; passphrase and sealing belong to it
    errors       one family: a code for programs, a sentence and a hint for people

Nothing here opens a socket, and importing it does no work.
"""

from keys.errors import BadDocument, BadKey, BadProof, BadSignature, CuicuiError, KeyFileError, Locked
from keys.identity import Identity, PublicIdentity
from keys.keystore import Keystore
from keys.proof import Claim, Proven
from keys.transport import PublicTransport, TransportKey
from keys.verify import Report, verify_document

__all__ = [
    "BadDocument",
    "BadKey",
    "BadProof",
    "BadSignature",
    "Claim",
    "CuicuiError",
    "Identity",
    "KeyFileError",
    "Keystore",
    "Locked",
    "Proven",
    "PublicIdentity",
    "PublicTransport",
    "Report",
    "TransportKey",
    "verify_document",
]
