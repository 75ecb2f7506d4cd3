"""The rest of the network: authors with keys of their own, and what they send."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import wire
from keys import Identity, TransportKey, proof
from node import founding
from node.federation import httpsig, parse
from node.federation.httpsig import Signer
from node.ids import Snowflake
from node.model import Actor, Iri
from node.settings import Settings
from node.storage import actors, hosts, relations
from node.storage.relations import State
from node.storage.store import Store

AS2 = "https://www.w3.org/ns/activitystreams"
WORDS = ("rain", "over", "the harbour", "again", "and", "the ferry", "is late", "so we talk", "about bread", "radios")


@dataclass(frozen=True)
class Author:
    """Somebody with an account on a server at a loopback address."""

    iri: Iri
    host: str
    key: TransportKey
    identity: Identity

    @property
    def document(self) -> dict[str, object]:
        name = self.iri.rpartition("/")[2]
        multikey = self.identity.public.multikey
        return {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": self.iri,
            "type": "Person",
            "preferredUsername": name,
            "name": name.title(),
            "inbox": f"{self.iri}/inbox",
            "outbox": f"{self.iri}/outbox",
            "followers": f"{self.iri}/followers",
            "following": f"{self.iri}/following",
            "url": f"http://{self.host}/@{name}",
            "endpoints": {"sharedInbox": f"http://{self.host}/inbox"},
            "publicKey": {"id": f"{self.iri}#main-key", "owner": self.iri, "publicKeyPem": self.key.public.pem},
            "assertionMethod": [
                {
                    "id": f"{self.iri}#{multikey}",
                    "type": "Multikey",
                    "controller": self.iri,
                    "publicKeyMultibase": multikey,
                }
            ],
        }


def authors(count: int, port: int) -> list[Author]:
    """Ten accounts to a server, each with its own keys."""
    made = []
    for number in range(count):
        host = f"127.1.0.{number // 10 + 1}:{port}"
        iri = Iri(f"http://{host}/users/author{number}")
        made.append(Author(iri, host, TransportKey.generate(), Identity.generate()))
    return made


def documents(everyone: Sequence[Author]) -> wire.Handler:
    """Answers GET of an author's document; anything posted is taken."""
    answers = {
        (author.host, author.iri.partition(author.host)[2]): wire.ok(
            json.dumps(author.document).encode(), "application/activity+json"
        )
        for author in everyone
    }

    def handle(line: bytes, head: bytes, body: bytes) -> bytes:
        method, target, _ = line.decode().split(" ")
        if method == "POST":
            return wire.ACCEPTED
        return answers.get((header(head, "host"), target), wire.NOT_FOUND)

    return handle


def header(head: bytes, name: str) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


def create(author: Author, number: int, *, proven: bool) -> bytes:
    """A Create in the shape Mastodon gives it, about 2 kB."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    note_id = f"{author.iri}/statuses/{1_000_000_000 + number}"
    said = " ".join(random.choices(WORDS, k=random.randint(12, 40)))
    content = (
        f'<p>{said} <a href="http://{author.host}/tags/weather" class="mention hashtag" rel="tag">'
        f"#<span>weather</span></a></p><p>{said[:80]}</p>"
    )
    note: dict[str, object] = {
        "id": note_id,
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": now,
        "url": f"http://{author.host}/@{author.iri.rpartition('/')[2]}/{1_000_000_000 + number}",
        "attributedTo": author.iri,
        "to": [f"{AS2}#Public"],
        "cc": [f"{author.iri}/followers"],
        "sensitive": False,
        "atomUri": note_id,
        "inReplyToAtomUri": None,
        "conversation": f"tag:{author.host},2026-01-01:objectId={number}:objectType=Conversation",
        "context": f"http://{author.host}/contexts/{number}",
        "content": content,
        "contentMap": {"en": content},
        "attachment": [],
        "tag": [{"type": "Hashtag", "href": f"http://{author.host}/tags/weather", "name": "#weather"}],
        "replies": {
            "id": f"{note_id}/replies",
            "type": "Collection",
            "first": {
                "type": "CollectionPage",
                "next": f"{note_id}/replies?only_other_accounts=true&page=true",
                "partOf": f"{note_id}/replies",
                "items": [],
            },
        },
        "likes": {"id": f"{note_id}/likes", "type": "Collection", "totalItems": 0},
        "shares": {"id": f"{note_id}/shares", "type": "Collection", "totalItems": 0},
    }
    contexts = [AS2, {"ostatus": "http://ostatus.org#", "atomUri": "ostatus:atomUri", "sensitive": "as:sensitive"}]
    moment = datetime.now(UTC)
    method = f"{author.iri}#{author.identity.public.multikey}"
    if proven:
        context = [AS2, "https://w3id.org/security/data-integrity/v1"]
        note = dict(proof.attach({"@context": context, **note}, author.identity, method, moment))
    activity: dict[str, object] = {
        "@context": [*contexts, "https://w3id.org/security/data-integrity/v1"] if proven else contexts,
        "id": f"{note_id}/activity",
        "type": "Create",
        "actor": author.iri,
        "published": now,
        "to": [f"{AS2}#Public"],
        "cc": [f"{author.iri}/followers"],
        "object": note,
    }
    if proven:
        activity = dict(proof.attach(activity, author.identity, method, moment))
    return json.dumps(activity, ensure_ascii=False, separators=(",", ":")).encode()


def signed(author: Author, inbox: str, body: bytes) -> bytes:
    """One delivery as it goes over the wire, under the author's RSA key (draft-cavage)."""
    headers = httpsig.sign(
        "cavage",
        Signer(Iri(f"{author.iri}#main-key"), author.key),
        "POST",
        inbox,
        body=body,
        now=datetime.now(UTC),
        content_type="application/activity+json",
    )
    headers["User-Agent"] = "Mastodon/4.4.0 (http.rb/5.3.1; +https://example.social/)"
    headers["Accept-Encoding"] = "gzip"
    return wire.request("/inbox", headers, body)


# ── a node that already has relations ────────────────────────────────────────────────────────


def settings(data: Path, port: int) -> Settings:
    address = f"127.0.0.1:{port}"
    return Settings.of(
        {"data": data, "base_url": f"http://{address}", "listen": address, "allow_networks": "127.0.0.0/8"}
    )


async def found(
    data: Path, port: int, *, followed: Sequence[Author] = (), followers: Sequence[str] = (), ed25519: bool = False
) -> None:
    """A fresh node. `followed` are accounts it follows; `followers` are inboxes that follow it.

    Keys are not given to it: it fetches them itself. `ed25519`: it knows that all of them take RFC 9421.
    """
    chosen = settings(data, port)
    await founding.found(chosen, handle="bench")
    store = Store(chosen.database)
    snowflake = Snowflake(1)
    now = datetime.now(UTC)
    try:
        async with store.write() as tx:
            for author in followed:
                actor = parse.actor(author.document)  # type: ignore[arg-type]
                await actors.put(tx, actor, id=snowflake.mint(now), at=now, document=None)
                await relations.start_follow(tx, author.iri, Iri(f"{chosen.base_url}/follows/{author.iri[-9:]}"), now)
                await relations.settle_follow(tx, author.iri, State.ACCEPTED)
            for number, inbox in enumerate(followers):
                origin = inbox.removesuffix("/inbox")
                iri = Iri(f"{origin}/users/f{number}")
                follower = Actor(iri, "Person", f"f{number}", Iri(f"{iri}/inbox"), shared_inbox=Iri(inbox))
                await actors.put(tx, follower, id=snowflake.mint(now), at=now, document=None)
                await relations.put_follower(tx, iri, Iri(f"{iri}/follow"), State.ACCEPTED, now)
                if ed25519:
                    await hosts.learn(tx, origin, "rfc9421", "ed25519", "worked", now)
    finally:
        await store.close()
