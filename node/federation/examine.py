"""Who wrote this? A saved file, the post at an address, an account: asked by the owner, answered with a verdict."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keys import PublicIdentity, canonical, proof, verify_document
from keys.canonical import JsonValue
from keys.verify import owner_of
from node.errors import BadDocument, BadKey, BadProof, CuicuiError, NotAllowed, NotFound, Reason, Refused
from node.federation import httpsig, parse, policy
from node.federation.actors import Actors
from node.federation.authenticate import Authenticator
from node.federation.evidence import TYPE as EVIDENCE
from node.federation.fetch import Fetched, Fetcher
from node.federation.httpsig import Incoming
from node.federation.own import OwnDocuments
from node.federation.policy import Facts, ProofBroken
from node.ids import Ids
from node.model import Authorship, Clock, Iri, KeyKind, KeyState, KnownKey, Trust, Verdict, host_of, origin_of
from node.storage import actors as stored
from node.storage import notes
from node.storage.store import Store

ACTORS = frozenset({"Person", "Service", "Application", "Organization", "Group"})


@dataclass(frozen=True, slots=True)
class Examined:
    """The answer: a verdict, one plain sentence, and what it rests on."""

    verdict: Verdict
    reason: str
    what: str | None = None
    author: str | None = None
    key: str | None = None
    key_since: datetime | None = None
    key_trust: Trust | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A key that may be the signer's, and what it is worth if it is."""

    public: PublicIdentity
    verdict: Verdict
    reason: str
    since: datetime | None = None
    trust: Trust | None = None


@dataclass(frozen=True, slots=True)
class _Saved:
    """What a file says before anything is checked. `claim` is None when nothing in it is signed, and when what
    is there is no proof at all: `broken` says why."""

    what: str | None
    author: str | None
    claim: proof.Claim | None
    document: Mapping[str, JsonValue]
    broken: BadProof | None = None


_WORTH = {
    KeyState.PINNED: (Verdict.SIGNED, "the author's own key signed it, and not a character has changed since"),
    KeyState.CHANGED: (
        Verdict.CHANGED,
        "the signature holds, but under a key that replaced the author's known one without proof "
        "that they belong together",
    ),
    KeyState.RETIRED: (Verdict.CHANGED, "the signature holds, but under a key that the author no longer lists"),
}


# ── a file, with no node at hand ─────────────────────────────────────────────────────────────


def file_alone(body: bytes, key: PublicIdentity | None, now: datetime) -> Examined:
    """Check a file under the key that the reader knows; without one, under the key that the file names."""
    try:
        saved = _read(body, now)
    except (BadDocument, BadProof) as error:
        return _refused(error)
    if saved.claim is None:
        return _without_proof(saved)
    if key is not None:
        given = _Candidate(key, Verdict.SIGNED, "the key you gave signed it, and not a character has changed since")
        return _under(body, saved, [given], now)
    return _under(body, saved, _unattributed(saved.claim), now)


def _read(body: bytes, now: datetime) -> _Saved:
    document: Mapping[str, JsonValue] = canonical.load_object(body)
    if document.get("type") == EVIDENCE:
        inside = document.get("object")
        if document.get("version") != 1 or not isinstance(inside, dict):
            raise BadDocument("this is not an Evidence bundle of version 1 with an object in it")
        part: Mapping[str, JsonValue] = inside
    else:
        part = document
    inner = part.get("object")
    if isinstance(inner, dict) and proof.carries(inner):
        part = inner
    what = part.get("id")
    named = what if isinstance(what, str) else None
    author = owner_of(part) or named
    try:
        return _Saved(named, author, proof.read(part, now), document)
    except BadProof as error:
        return _Saved(named, author, None, document, error)


def _unattributed(claim: proof.Claim) -> list[_Candidate]:
    """The key that the proof spells out itself: it can be checked, and says nothing about whose it is."""
    if claim.multikey is None:
        raise NotFound(f"the key {claim.method} is not known here", hint="name the author's key with --key")
    try:
        key = PublicIdentity.from_multikey(claim.multikey)
    except BadKey as error:
        raise NotFound(f"the file names no usable key: {error.message}", hint="name it with --key") from None
    reason = f"the proof holds under the key {key.multikey}, but whose that is cannot be told here"
    return [_Candidate(key, Verdict.VOUCHED, reason)]


def _under(body: bytes, saved: _Saved, candidates: Sequence[_Candidate], now: datetime) -> Examined:
    """The verdict under the first key that the whole file holds under."""
    broken = "nothing in it is signed"
    for candidate in candidates:
        report = verify_document(body, candidate.public, now)
        if report.holds:
            return Examined(
                candidate.verdict,
                candidate.reason,
                saved.what,
                saved.author,
                candidate.public.multikey,
                candidate.since,
                candidate.trust,
                report.parts[-1].signed_at,
            )
        broken = next((part.reason for part in report.parts if part.outcome.value == "refused"), broken)
    return Examined(Verdict.REFUSED, broken, saved.what, saved.author)


def _without_proof(saved: _Saved) -> Examined:
    if saved.broken is not None:
        return Examined(Verdict.REFUSED, saved.broken.message, saved.what, saved.author)
    return Examined(Verdict.REFUSED, "there is no proof in it: nothing shows who wrote it", saved.what, saved.author)


def _headers(http: JsonValue, host: str) -> tuple[tuple[str, str], ...]:
    """The headers of a bundle as they were kept; raises TypeError or KeyError for anything else.

    Only what the signature covers is kept. RFC 9421 covers the host as a part of @target-uri, so
    the header itself may be missing; a wrong one fails the signature.
    """
    pairs = http["headers"] if isinstance(http, dict) else None
    if not isinstance(pairs, list):
        raise TypeError("no headers")
    kept = [(str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    return tuple(kept if "host" in dict(kept) else [("host", host), *kept])


def _broken(saved: _Saved) -> ProofBroken | None:
    """What is wrong with a proof that does not hold; None where there is none."""
    if saved.broken is None and saved.claim is None:
        return None
    return ProofBroken(saved.broken.code if saved.broken is not None else "wrong_proof")


def _transport(claim: httpsig.Claim, known: Sequence[KnownKey], body: bytes) -> KnownKey:
    """Under which of somebody's keys a request was signed, also one that they list no more. Raises Refused."""
    for key in sorted(known, key=lambda key: list(KeyState).index(key.state)):
        try:
            return httpsig.verify(claim, key, body).key
        except Refused:
            continue
    raise Refused(Reason.UNKNOWN_KEY, f"there is no key {claim.key_id}")


def _pinned_identities(known: Sequence[KnownKey]) -> list[PublicIdentity]:
    pinned = [key.public for key in known if key.state is KeyState.PINNED]
    return [public for public in pinned if isinstance(public, PublicIdentity)]


def _refused(error: CuicuiError) -> Examined:
    return Examined(Verdict.REFUSED, error.message)


# ── with a node: its pins, its own key, and its way out ──────────────────────────────────────


class Examiner:
    """Knows the keys of a node. `offline`: nobody is asked, what is stored decides."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        fetcher: Fetcher,
        documents: OwnDocuments,
        *,
        ids: Ids,
        own_key: PublicIdentity,
        clock: Clock,
        offline: bool = False,
    ) -> None:
        self._store = store
        self._actors = actors
        self._fetcher = fetcher
        self._documents = documents
        self._authenticator = Authenticator(actors, ids=ids, clock=clock)
        self._ids = ids
        self._own_key = own_key
        self._clock = clock
        self._offline = offline

    async def file(self, body: bytes) -> Examined:
        """A saved note, activity or evidence bundle, under the key that is known as the author's."""
        now = self._clock()
        try:
            saved = _read(body, now)
        except (BadDocument, BadProof) as error:
            return _refused(error)
        found = _without_proof(saved) if saved.claim is None else await self._proven(body, saved, saved.claim, now)
        if found.verdict is not Verdict.REFUSED:
            return found
        return await self._http_evidence(saved) or found

    async def _proven(self, body: bytes, saved: _Saved, claim: proof.Claim, now: datetime) -> Examined:
        method, author = claim.method, saved.author or ""
        try:
            keys = await self._keys(method, author)
        except Refused as refused:
            if refused.reason is not Reason.KEY_UNREACHABLE:
                return replace(_refused(refused), what=saved.what, author=saved.author)
            keys = []
        if not keys:
            return _under(body, saved, await self._strange(claim, author), now)
        found = _under(body, saved, keys, now)
        if found.verdict is not Verdict.REFUSED or self._is_ours(author) or self._offline:
            return found
        renewed = await self._actors.renewed_keys(Iri(method), Iri(author))
        return _under(body, saved, await self._keys(method, author), now) if renewed else found

    async def _strange(self, claim: proof.Claim, author: str) -> list[_Candidate]:
        """The key that the proof spells out: a warning, if another is known as the author's."""
        async with self._store.read() as tx:
            pinned = _pinned_identities(await stored.keys_of(tx, Iri(author)))
        found = _unattributed(claim)
        if not pinned or any(candidate.public in pinned for candidate in found):
            return found
        reason = "the proof holds under the key {}, and that is not the one known as the author's"
        return [_Candidate(one.public, Verdict.CHANGED, reason.format(one.public.multikey)) for one in found]

    async def _keys(self, method: str, author: str) -> list[_Candidate]:
        """The author's keys of that name, the trusted one first. Raises Refused when the author lists none such."""
        if self._is_ours(author):
            since = (await self._documents.profile()).created_at
            verdict, reason = _WORTH[KeyState.PINNED]
            return [_Candidate(self._own_key, verdict, reason, since, Trust.COMPARED)]
        known = await self._known(method, author)
        if not known and not self._offline and method.startswith(("https://", "http://")):
            if not author or origin_of(method) != origin_of(author):
                raise Refused(Reason.BAD_PROOF, f"the key {method} does not belong to {author or 'anybody'}")
            await self._actors.keys_for(Iri(method))
            known = await self._known(method, author)
            if not known:
                raise Refused(Reason.BAD_PROOF, f"{author} lists no key {method}")
        known.sort(key=lambda key: list(KeyState).index(key.state))
        return [
            _Candidate(key.public, *_WORTH[key.state], key.since, key.trust)
            for key in known
            if isinstance(key.public, PublicIdentity)
        ]

    async def _known(self, method: str, author: str) -> list[KnownKey]:
        async with self._store.read() as tx:
            keys = await stored.keys_of(tx, Iri(author))
        return [key for key in keys if key.id == method and key.kind is KeyKind.ED25519]

    def _is_ours(self, author: str | None) -> bool:
        return author == self._ids.actor

    async def _http_evidence(self, saved: _Saved) -> Examined | None:
        """An evidence bundle of a post without a proof that holds: does the HTTP signature in it, under a key of
        the author's? Judged as it was on arrival (decisions.md §19)."""
        received = saved.document.get("received")
        if saved.document.get("type") != EVIDENCE or not isinstance(received, dict):
            return None
        try:
            at, to = proof.parse_time(received["at"]), str(received["to"])
            body = base64.b64decode(str(received["body"]), validate=True)
            headers = _headers(received["http"], host_of(to))
        except (KeyError, TypeError, ValueError, binascii.Error):
            return None
        if at is None:
            return None
        try:
            path = "/" + to.split("/", 3)[3]
            claim = httpsig.read(Incoming("POST", path, headers, body), base_url=origin_of(to), now=at)
            author, activity = Iri(saved.author or ""), canonical.load_object(body)
            if parse.actor_id_of(activity) != author:  # else its server only passed it on
                return None
            if saved.document.get("object") not in (activity, activity.get("object")):
                return None
            async with self._store.read() as tx:
                known = await stored.keys_of(tx, author)
            facts = Facts(
                author,
                _broken(saved),
                transport=_transport(claim, known, body),
                has_pinned_identity=bool(_pinned_identities(known)),
            )
            return _of(policy.judge(facts), saved.what, author)
        except (CuicuiError, IndexError, ValueError):
            return None

    # ── what is elsewhere ────────────────────────────────────────────────────────────────────

    async def url(self, url: str) -> Examined:
        """The post, or the account, at an address. Our own are looked up, never fetched. Raises Unreachable."""
        if self._ids.is_ours(url):
            return await self._own(url)
        fetched = await self._fetcher.document(url)
        try:
            if parse.type_of(fetched.document) in ACTORS:
                return await self._account(fetched)
            return await self._note(fetched)
        except Refused as refused:
            return replace(_refused(refused), what=fetched.iri)

    async def _own(self, url: str) -> Examined:
        if url in (self._ids.actor, self._ids.profile_page, self._ids.base, self._ids.base + "/"):
            return await self.file(await self._documents.actor())
        number = self._ids.note_number(url)
        async with self._store.read() as tx:
            body = await notes.document(tx, number) if number is not None else None
        if body is None:
            raise NotFound(f"there is no post of yours at {url}")
        return await self.file(body)

    async def _note(self, fetched: Fetched) -> Examined:
        note = parse.note(fetched.document)
        policy.owns(note, fetched.iri)
        await self._actors.get(note.author)
        outcome = await self._authenticator.proof(fetched.document, note.author)
        pinned = await self._actors.has_pinned_identity(note.author)
        by = policy.judge(Facts(note.author, outcome, from_origin=True, has_pinned_identity=pinned))
        return _of(by, note.iri, note.author)

    async def account(self, handle: str) -> Examined:
        """An account by its handle: the proof on its actor document, and whether its keys are the known ones."""
        if self._offline:
            raise NotAllowed("an account is looked up where it lives", hint="leave --offline out, or see: cuicui keys")
        actor = (await self._actors.resolve(handle)).actor
        if actor.iri == self._ids.actor:
            return await self._own(actor.iri)
        fetched = await self._fetcher.document(actor.iri)
        try:
            return await self._account(fetched)
        except Refused as refused:
            return replace(_refused(refused), what=fetched.iri)

    async def _account(self, fetched: Fetched) -> Examined:
        await self._actors.refresh(fetched.iri)
        outcome = await self._authenticator.proof(fetched.document, fetched.iri)
        async with self._store.read() as tx:
            keys = await stored.keys_of(tx, fetched.iri)
        pinned = any(key.kind is KeyKind.ED25519 and key.state is KeyState.PINNED for key in keys)
        by = policy.judge(Facts(fetched.iri, outcome, from_origin=True, has_pinned_identity=pinned))
        if by.verdict is Verdict.SIGNED:
            return _of(replace(by, reason="the account's own key signed its profile"), fetched.iri, fetched.iri)
        if any(key.state is KeyState.CHANGED for key in keys):
            reason = "the account shows a key that is not the known one, and nothing connects the two"
            return _of(replace(by, verdict=Verdict.CHANGED, reason=reason), fetched.iri, fetched.iri)
        return _of(replace(by, reason="its server shows this account; no key of its own signs it"), fetched.iri, None)


def _of(by: Authorship, what: str | None, author: str | None) -> Examined:
    return Examined(by.verdict, by.reason, what, author, by.key, by.key_since, by.key_trust, by.signed_at)
