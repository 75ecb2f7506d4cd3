"""Carol lives on a server of the usual kind: shapes like Mastodon's, an RSA key, signed requests, no proofs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_network
from itertools import count

from aiohttp import web

from keys import TransportKey, canonical
from keys.canonical import JsonValue
from node.app import Node
from node.demo.story import ACTIVITY, LOOPBACK, Story, arrived, at, hold, said, until
from node.federation import httpsig
from node.federation.client import Client
from node.federation.httpsig import Signer
from node.model import Clock, Iri, Post, Verdict

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
AS2 = "https://www.w3.org/ns/activitystreams"

Json = dict[str, JsonValue]


@dataclass(frozen=True)
class Server:
    """Carol's server. It says yes to every Follow, and remembers what else comes."""

    base: str
    client: Client
    clock: Clock
    keys: dict[str, TransportKey] = field(default_factory=dict)
    came: list[Json] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(114_000_000_000_000_001))

    @property
    def host(self) -> str:
        return self.base.partition("//")[2]

    def iri(self, name: str) -> Iri:
        return Iri(f"{self.base}/users/{name}")

    def actor(self, name: str) -> Json:
        """The actor document, as Mastodon writes it."""
        iri = self.iri(name)
        return {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": iri,
            "type": "Person",
            "following": f"{iri}/following",
            "followers": f"{iri}/followers",
            "inbox": f"{iri}/inbox",
            "outbox": f"{iri}/outbox",
            "preferredUsername": name,
            "name": name.capitalize(),
            "summary": "",
            "url": f"{self.base}/@{name}",
            "manuallyApprovesFollowers": False,
            "discoverable": True,
            "published": "2022-11-06T00:00:00Z",
            "publicKey": {"id": f"{iri}#main-key", "owner": iri, "publicKeyPem": self.keys[name].public.pem},
            "tag": [],
            "attachment": [],
            "endpoints": {"sharedInbox": f"{self.base}/inbox"},
        }

    def create(self, name: str, words: str, to: Node) -> Json:
        """A public post that mentions somebody, in the activity that brings it."""
        iri, number, now = self.iri(name), next(self._numbers), _stamp(self.clock())
        mention = f'<span class="h-card"><a href="{to.ids.profile_page}" class="u-url mention">{at(to)}</a></span>'
        note: Json = {
            "id": f"{iri}/statuses/{number}",
            "type": "Note",
            "summary": None,
            "inReplyTo": None,
            "published": now,
            "url": f"{self.base}/@{name}/{number}",
            "attributedTo": iri,
            "to": [PUBLIC],
            "cc": [f"{iri}/followers", to.ids.actor],
            "sensitive": False,
            "content": f"<p>{mention} {words}</p>",
            "contentMap": {"en": f"<p>{mention} {words}</p>"},
            "attachment": [],
            "tag": [{"type": "Mention", "href": to.ids.actor, "name": at(to)}],
        }
        wrapped: Json = {"id": f"{note['id']}/activity", "type": "Create", "published": now, "object": note}
        return {"@context": AS2, **wrapped, "actor": iri, "to": note["to"], "cc": note["cc"]}

    async def send(self, name: str, activity: Json, inbox: str) -> int:
        """POST, signed as Mastodon signs: draft-cavage, RSA. The status that is answered."""
        body = json.dumps(activity).encode()
        signer = Signer(Iri(f"{self.iri(name)}#main-key"), self.keys[name])
        headers = httpsig.sign("cavage", signer, "POST", inbox, body=body, now=self.clock(), content_type=ACTIVITY)
        return (await self.client.post(inbox, body, headers)).status

    # ── what others ask of it ────────────────────────────────────────────────────────────────

    async def webfinger(self, request: web.Request) -> web.Response:
        name = request.query.get("resource", "").removeprefix("acct:").partition("@")[0]
        if name not in self.keys:
            raise web.HTTPNotFound
        link = {"rel": "self", "type": ACTIVITY, "href": self.iri(name)}
        jrd = {"subject": f"acct:{name}@{self.host}", "links": [link]}
        return web.json_response(jrd, content_type="application/jrd+json")

    async def profile(self, request: web.Request) -> web.Response:
        if request.match_info["name"] not in self.keys:
            raise web.HTTPNotFound
        return web.json_response(self.actor(request.match_info["name"]), content_type=ACTIVITY)

    async def outbox(self, request: web.Request) -> web.Response:
        iri = f"{self.iri(request.match_info['name'])}/outbox"
        empty = {"@context": AS2, "id": iri, "type": "OrderedCollection", "totalItems": 0, "orderedItems": []}
        return web.json_response(empty, content_type=ACTIVITY)

    async def inbox(self, request: web.Request) -> web.Response:
        activity = canonical.load_object(await request.read())
        self.came.append(activity)
        return web.Response(status=202)

    async def accept(self, follow: Json, name: str, follower: Node) -> int:
        iri = self.iri(name)
        answer: Json = {"@context": AS2, "id": f"{iri}#accepts/follows/1", "type": "Accept", "actor": iri}
        return await self.send(name, {**answer, "object": follow}, follower.ids.inbox)


def _stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def server(port: int, clock: Clock) -> AsyncIterator[Server]:
    """Carol's server on a port of its own; somebody else there calls themselves alice."""
    client = Client(allow_networks=[ip_network(LOOPBACK)], user_agent="a server of the usual kind")
    here = Server(f"http://127.0.0.1:{port}", client, clock)
    here.keys.update({name: TransportKey.generate() for name in ("carol", "alice")})
    site = web.Application()
    site.router.add_get("/.well-known/webfinger", here.webfinger)
    site.router.add_get("/users/{name}", here.profile)
    site.router.add_get("/users/{name}/outbox", here.outbox)
    site.router.add_post("/{inbox:.*inbox}", here.inbox)
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield here
    finally:
        await client.close()
        await runner.cleanup()


# ── her part of the story ────────────────────────────────────────────────────────────────────


async def meet(story: Story, bob: Node, there: Server) -> None:
    """Bob follows carol, and reads what she writes: nobody's proof, and neutral."""
    handle = f"@carol@{there.host}"
    await bob.owner.follow(handle)

    async def asked() -> Json | None:
        return next((one for one in there.came if one["type"] == "Follow"), None)

    follow = await until(asked, f"the follow did not reach {handle}")
    hold(await there.accept(follow, "carol", bob) == 202, f"the yes of {handle} was not taken")
    create = there.create("carol", "hello from the rest of the fediverse!", bob)
    hold(await there.send("carol", create, bob.ids.inbox) == 202, f"a post of {handle} was not taken")
    post = await arrived(bob, _note_of(create), as_=Verdict.VOUCHED)
    story.step("Carol, on a server that knows no proofs, writes to bob: vouched", *said(post))


async def look_alike(story: Story, alice: Node, bob: Node, there: Server) -> None:
    """Somebody on carol's server has alice's name. Bob follows the real one, and is told so."""
    create = there.create("alice", "it is me, alice. Lend me some money?", bob)
    hold(await there.send("alice", create, bob.ids.inbox) == 202, "the double's post was not taken")

    async def waiting() -> Post | None:
        return next((post for post in await bob.moderation.requests() if post.note.iri == _note_of(create)), None)

    post = await until(waiting, "what the double said is not among the requests")
    real = post.author.resembles
    hold(real is not None and real.iri == alice.ids.actor, f"@alice@{there.host} is not marked as alice's double")
    assert real is not None
    story.step("Another “Alice” writes to bob: marked, and left to wait", said(post)[0], f"caution: {real.warning}")


def _note_of(create: Json) -> Iri:
    note = create["object"]
    assert isinstance(note, dict)
    return Iri(str(note["id"]))
