"""A stranger: a small signed client with a server of its own, written from the standards and not from our code.

Only the arithmetic of keys and, for RFC 9421, the node's own signer are shared with what is tested.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from itertools import count
from types import TracebackType
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from keys import Identity, TransportKey, proof
from node.federation import httpsig
from node.model import Iri

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
AS2 = "https://www.w3.org/ns/activitystreams"
DATA_INTEGRITY = "https://w3id.org/security/data-integrity/v2"
AP = "application/activity+json"

Json = dict[str, object]
Headers = list[tuple[str, str]]
Tamper = Callable[[Headers], Headers]

_numbers = count(1)


@lru_cache(maxsize=64)
def rsa_key(name: str) -> TransportKey:
    """One key per name and test session: making one takes a while."""
    return TransportKey.generate()


@dataclass(frozen=True)
class Reply:
    """An answer of the node that is tested."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """The stable `code` of an error; None when the answer is no error in JSON."""
        if not self.headers.get("Content-Type", "").startswith("application/json"):
            return None
        said = json.loads(self.body)
        assert isinstance(said["error"], str)
        assert said["error"]
        return str(said["code"])

    @property
    def verdict(self) -> tuple[int, str | None]:
        return self.status, self.code


@dataclass(frozen=True)
class Received:
    """A request that came to a stranger's inbox."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document

    @property
    def dialect(self) -> str:
        return "rfc9421" if "Signature-Input" in self.headers else "cavage"


Answer = Callable[[Received], Awaitable[web.StreamResponse]]


class Place(AbstractAsyncContextManager["Place"]):
    """A server of strangers on loopback: actor documents, WebFinger, inboxes that remember.

    `answer` is what inboxes reply: a status, or a function of the request. `documents` are served
    under their path; a value that is a response maker is called instead. `asked` counts the GETs.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Json | Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.people: dict[str, str] = {}
        self.received: list[Received] = []
        self.asked: Counter[str] = Counter()
        self.asked_with: list[Mapping[str, str]] = []
        self.answer: int | Answer = 202
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Place:
        app = web.Application(client_max_size=1 << 22)
        app.router.add_get("/.well-known/webfinger", self._webfinger)
        app.router.add_get("/{tail:.*}", self._document)
        app.router.add_post("/{tail:.*}", self._inbox)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def listen(self) -> None:
        """Open the door, again on the same port if it was open before."""
        assert self._runner is not None
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def hang_up(self) -> None:
        """Stop listening: from now on connections are refused. `listen` opens again."""
        assert self._runner is not None
        for site in list(self._runner.sites):
            await site.stop()
        server = self._runner.server
        assert server is not None
        for connection in list(server.connections):
            connection.force_close()
            if connection.transport is not None:
                connection.transport.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        assert self._runner is not None
        await self._session.close()
        await self._runner.cleanup()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    def stranger(self, name: str, *, proofs: bool = False, shared_inbox: bool = False) -> Stranger:
        """Somebody who lives here."""
        return Stranger(self, name, proofs, shared_inbox)

    def ids(self) -> list[str]:
        """The ids of the activities that came, in order."""
        return [str(item.json["id"]) for item in self.received]

    def of_type(self, kind: str) -> list[Received]:
        return [item for item in self.received if item.json.get("type") == kind]

    async def _webfinger(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        instead = self.documents.get(request.path)
        if callable(instead):
            return await instead(request)
        name = request.query.get("resource", "").removeprefix("acct:").partition("@")[0]
        if name not in self.people:
            return web.Response(status=404)
        jrd = {
            "subject": f"acct:{name}@127.0.0.1:{self.port}",
            "links": [{"rel": "self", "type": AP, "href": self.people[name]}],
        }
        return web.json_response(jrd, content_type="application/jrd+json")

    async def _document(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.asked_with.append(dict(request.headers))
        found = self.documents.get(request.path)
        if found is None:
            return web.Response(status=404)
        if callable(found):
            return await found(request)
        return web.Response(body=json.dumps(found).encode(), content_type=AP)

    async def _inbox(self, request: web.Request) -> web.StreamResponse:
        item = Received(request.path, request.headers.copy(), await request.read())
        self.received.append(item)
        if isinstance(self.answer, int):
            return web.Response(status=self.answer)
        return await self.answer(item)


async def never(_item: object) -> web.StreamResponse:
    """An answer that does not come."""
    await asyncio.sleep(3600)
    return web.Response()


@dataclass
class Stranger:
    """An account on a Place. With `proofs` it has an Ed25519 key and signs what it writes."""

    place: Place
    name: str
    proofs: bool = False
    shared_inbox: bool = False
    rsa: TransportKey = field(init=False)
    identity: Identity = field(init=False)
    extra: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rsa = rsa_key(self.name)
        self.identity = Identity.generate()
        self.publish()

    # ── who ──────────────────────────────────────────────────────────────────────────────────

    @property
    def iri(self) -> Iri:
        return Iri(f"{self.place.base}/users/{self.name}")

    @property
    def key_id(self) -> str:
        return f"{self.iri}#main-key"

    @property
    def method(self) -> str:
        return f"{self.iri}#{self.identity.public.multikey}"

    @property
    def handle(self) -> str:
        return f"@{self.name}@127.0.0.1:{self.place.port}"

    def document(self) -> Json:
        """The actor document, as it stands now."""
        document: Json = {
            "@context": [AS2, "https://w3id.org/security/v1", DATA_INTEGRITY],
            "id": self.iri,
            "type": "Person",
            "preferredUsername": self.name,
            "name": self.name.title(),
            "inbox": f"{self.iri}/inbox",
            "outbox": f"{self.iri}/outbox",
            "followers": f"{self.iri}/followers",
            "publicKey": {"id": self.key_id, "owner": self.iri, "publicKeyPem": self.rsa.public.pem},
        }
        if self.shared_inbox:
            document["endpoints"] = {"sharedInbox": f"{self.place.base}/inbox"}
        if self.proofs:
            document["assertionMethod"] = [
                {
                    "id": self.method,
                    "type": "Multikey",
                    "controller": self.iri,
                    "publicKeyMultibase": self.identity.public.multikey,
                }
            ]
        return {**document, **self.extra}

    def publish(self) -> None:
        """Put the actor document where others find it."""
        self.place.documents[urlsplit(self.iri).path or "/"] = self.document()
        self.place.people[self.name] = self.iri

    # ── what they say ────────────────────────────────────────────────────────────────────────

    def new_id(self, kind: str = "notes") -> str:
        return f"{self.iri}/{kind}/{next(_numbers)}"

    def note(self, content: str, *, to: Sequence[str] = (PUBLIC,), cc: Sequence[str] = (), **more: object) -> Json:
        return {
            "@context": [AS2, DATA_INTEGRITY],
            "id": self.new_id(),
            "type": "Note",
            "attributedTo": self.iri,
            "to": list(to),
            "cc": list(cc),
            "published": stamp(datetime.now(UTC)),
            "content": f"<p>{content}</p>",
            **more,
        }

    def create(self, note: Json, **more: object) -> Json:
        given: Json = {"id": f"{note['id']}/activity", "to": note["to"], "cc": note["cc"], **more}
        return self.activity("Create", note, **given)

    def activity(self, kind: str, object_: object, **more: object) -> Json:
        given = {"id": self.new_id("activities"), **more}
        return {"@context": [AS2, DATA_INTEGRITY], "type": kind, "actor": self.iri, "object": object_, **given}

    def say(self, content: str, to: str, **more: object) -> Json:
        """A Create of a note for one person, signed if this stranger signs."""
        mention = {"type": "Mention", "href": to, "name": "@you"}
        note = {**self.note(content, to=[to]), "tag": [mention], **more}
        return self.create(self.prove(note) if self.proofs else note)

    def prove(self, document: Json, *, at: datetime | None = None, method: str | None = None) -> Json:
        return proof.attach(document, self.identity, method or self.method, at or datetime.now(UTC))

    # ── how they say it ──────────────────────────────────────────────────────────────────────

    async def deliver(
        self,
        activity: Json | bytes,
        to: str,
        *,
        dialect: str = "cavage",
        covered: str = "(request-target) host date digest",
        at: datetime | None = None,
        key: TransportKey | None = None,
        key_id: str | None = None,
        signed_body: bytes | None = None,
        tamper: Tamper = list,
        content_type: str = AP,
        path: str = "/inbox",
    ) -> Reply:
        """POST to the inbox of the node at `to` (its base URL). `tamper` changes the headers after signing."""
        body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
        headers = self.signed(
            "POST",
            to + path,
            body if signed_body is None else signed_body,
            dialect=dialect,
            covered=covered,
            at=at,
            key=key,
            key_id=key_id,
        )
        return await self.send("POST", to + path, tamper([("Content-Type", content_type), *headers]), body)

    async def get(self, url: str, *, signed: bool = True, accept: str = AP) -> Reply:
        headers: Headers = [("Accept", accept)]
        if signed:
            headers += self.signed("GET", url, b"", covered="(request-target) host date")
        return await self.send("GET", url, headers, None)

    def signed(
        self,
        method: str,
        url: str,
        body: bytes,
        *,
        dialect: str = "cavage",
        covered: str = "(request-target) host date digest",
        at: datetime | None = None,
        key: TransportKey | None = None,
        key_id: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Headers:
        """The headers of a signed request, Host included; `more` besides, which `covered` may name."""
        when, key, key_id = at or datetime.now(UTC), key or self.rsa, key_id or self.key_id
        if dialect == "rfc9421":
            signer = httpsig.Signer(Iri(key_id), key)
            return list(httpsig.sign(dialect, signer, method, url, body=body or None, now=when).items())
        return cavage(key, key_id, method, url, body, covered=covered, at=when, more=more)

    async def send(self, method: str, url: str, headers: Headers, body: bytes | None) -> Reply:
        skip = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
        async with self.place.session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=body,
            skip_auto_headers=skip,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=30),
        ) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())


def cavage(
    key: TransportKey,
    key_id: str,
    method: str,
    url: str,
    body: bytes,
    *,
    covered: str,
    at: datetime,
    more: Mapping[str, str] | None = None,
) -> Headers:
    """draft-cavage-http-signatures-12 §2.3, over exactly the parts named in `covered`."""
    parts = urlsplit(url)
    headers: Headers = [("Host", parts.netloc), ("Date", format_datetime(at, usegmt=True))]
    if method == "POST":
        headers.append(("Digest", "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()))
    headers += (more or {}).items()
    values = {name.lower(): value for name, value in headers}
    values["(request-target)"] = f"{method.lower()} {parts.path}" + (f"?{parts.query}" if parts.query else "")
    base = "\n".join(f"{name}: {values[name]}" for name in covered.split())
    signature = base64.b64encode(key.sign(base.encode())).decode()
    line = f'keyId="{key_id}",algorithm="rsa-sha256",headers="{covered}",signature="{signature}"'
    return [*headers, ("Signature", line)]


def stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dropped(name: str) -> Tamper:
    """A tamper that leaves a header out."""
    return lambda headers: [pair for pair in headers if pair[0].lower() != name.lower()]


def replaced(name: str, value: str) -> Tamper:
    return lambda headers: [(key, value if key.lower() == name.lower() else old) for key, old in headers]


def added(name: str, value: str) -> Tamper:
    return lambda headers: [*headers, (name, value)]
