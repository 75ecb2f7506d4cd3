"""The forger: somebody with a server, an actor and keys of their own, who would like to be alice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

from aiohttp import web

from keys import Identity, TransportKey, canonical
from node.app import Node
from node.demo.story import ACTIVITY, LOOPBACK, Story, hold
from node.federation import compose, httpsig
from node.federation.client import Client, Response
from node.federation.examine import Examined, Examiner
from node.federation.httpsig import Signer
from node.federation.outbox import to_bytes
from node.ids import Ids
from node.model import Iri, Note, Post, Profile, Verdict, Visibility, utcnow
from node.storage import activities, notes


@dataclass(frozen=True)
class Forger:
    """Somebody with a server, an actor and keys of their own, who would like to be alice."""

    ids: Ids
    identity: Identity
    transport: TransportKey
    client: Client

    async def send(self, activity: bytes, to: Iri, *, key_id: Iri) -> Response:
        """Deliver to an inbox, under a valid HTTP signature by the forger's own key."""
        signer = Signer(key_id, self.transport)
        headers = httpsig.sign("cavage", signer, "POST", to, body=activity, now=utcnow(), content_type=ACTIVITY)
        return await self.client.post(to, activity, headers)


@asynccontextmanager
async def forger(port: int) -> AsyncIterator[Forger]:
    """The forger's server on a third port: a real actor with real keys, which is all that forgers lack not."""
    ids = Ids(f"http://127.0.0.1:{port}", "mallory")
    identity, transport = Identity.generate(), TransportKey.generate()
    document = to_bytes(
        compose.actor(
            Profile("mallory", "Alice"),
            ids,
            transport_pem=transport.public.pem,
            multikeys=[identity.public.multikey],
        )
    )

    async def actor(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type=ACTIVITY)

    site = web.Application()
    site.router.add_get("/actor", actor)
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    client = Client(allow_networks=[ip_network(LOOPBACK)], user_agent="forger")
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield Forger(ids, identity, transport, client)
    finally:
        await client.close()
        await runner.cleanup()


async def forge(story: Story, alice: Node, bob: Node, mallory: Forger, first: Post) -> None:
    forged = _invented(alice)
    own_key = mallory.ids.main_key
    answer = await mallory.send(forged, bob.ids.inbox, key_id=own_key)
    _refused(story, "A forger speaks as alice under a key of his own", answer)
    answer = await mallory.send(forged, bob.ids.inbox, key_id=alice.ids.main_key)
    _refused(story, "He signs with the name of alice's key", answer)
    stolen, changed = await _stolen(alice, first)
    answer = await mallory.send(changed, bob.ids.inbox, key_id=own_key)
    _refused(story, "He passes on a real post of alice's, with one letter changed", answer)
    shown = " ".join([post.note.content for post in await bob.owner.timeline()])
    hold("Hullo" not in shown and "secret" not in shown, "something forged is in bob's timeline")
    checks: list[Examined] = [await _examiner(bob).file(body) for body in (stolen, changed)]
    hold(checks[0].verdict is Verdict.SIGNED, f"the real post does not verify: {checks[0].reason}")
    hold(checks[1].verdict is Verdict.REFUSED, f"the changed post was not refused but {checks[1].verdict}")
    story.step(
        "Saved as files, bob checks both without a network",
        f"the real one: {checks[0].verdict}, {checks[0].reason}",
        f"the changed one: {checks[1].verdict}, {checks[1].reason}",
    )


def _refused(story: Story, what: str, answer: Response) -> None:
    hold(400 <= answer.status < 500, f"{what}: answered {answer.status}, which is no refusal")
    said = canonical.load_object(answer.body)
    story.step(f"{what}: refused", f"{answer.status} {said.get('code')}: {said.get('error')}")


def _invented(alice: Node) -> bytes:
    """A note that alice never wrote, in an activity that says she did."""
    iri = Iri(f"{alice.ids.base}/notes/1")
    note = Note(
        iri=iri,
        author=alice.ids.actor,
        audience=compose.audience(Visibility.PUBLIC, alice.ids),
        content="<p>My secret is 1234.</p>",
        published=utcnow(),
    )
    return to_bytes(compose.create(compose.note(note, alice.ids), alice.ids))


async def _stolen(alice: Node, post: Post) -> tuple[bytes, bytes]:
    """The activity as alice's server sends it, proof and all; and the same with one byte changed."""
    async with alice.store.read() as tx:
        iri = await notes.evidence_of(tx, post.id)
        logged = await activities.get(tx, iri) if iri is not None else None
    hold(logged is not None and b"Hello" in logged.body, "alice's post is not in her log")
    assert logged is not None
    return logged.body, logged.body.replace(b"Hello", b"Hullo")


def _examiner(node: Node) -> Examiner:
    return Examiner(
        node.store,
        node.actors,
        node.fetcher,
        node.documents,
        ids=node.ids,
        own_key=node.keys.identity.public,
        clock=node.clock,
        offline=True,
    )
