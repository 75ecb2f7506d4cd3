"""Two real nodes and a forger on this machine, and what happens between them, told in the terminal."""

from __future__ import annotations

import asyncio
import re
import shlex
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import unescape
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

import click
from aiohttp import web

from keys import Identity, TransportKey, canonical
from node import app, founding, observe, running, settings, text
from node.app import Node
from node.errors import CuicuiError, StartError, Unreachable
from node.federation import compose, httpsig
from node.federation.client import Client, Response
from node.federation.examine import Examined, Examiner
from node.federation.httpsig import Signer
from node.federation.outbox import to_bytes
from node.ids import Ids
from node.model import Draft, Iri, Note, Post, Profile, Verdict, Visibility, utcnow
from node.storage import activities, notes
from node.storage.relations import State

FIRST_PORT = 8140
PATIENCE = 5.0
"""Seconds until a step that does not happen counts as failed."""

LOOPBACK = "127.0.0.0/8"
ACTIVITY = "application/activity+json"

T = TypeVar("T")


class Failed(CuicuiError):
    """A step of the story did not go as it must."""

    code = "demo"


async def tell(*, once: bool) -> int:
    """Tell the story; 0 if every step went as it must. Without `once`, both sites stay up until Ctrl-C."""
    observe.set_up("error", "text")
    ports = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="cuicui-demo-") as directory:
        async with AsyncExitStack() as stack:
            story = Story()
            try:
                alice = await stack.enter_async_context(_node(Path(directory) / "alice", "alice", ports[0]))
                bob = await stack.enter_async_context(_node(Path(directory) / "bob", "bob", ports[1]))
                mallory = await stack.enter_async_context(forger(ports[2]))
                await _tell(story, alice, bob, mallory)
            except CuicuiError as error:
                story.fail(error)
                return 1
            click.echo(f"\n{story.steps} steps in {time.perf_counter() - story.began:.1f} s, and all of them held.")
            if not once:
                await _stay(alice, bob)
    return 0


async def _stay(alice: Node, bob: Node) -> None:
    click.echo(f"""
Both sites are up until Ctrl-C:
  {alice.ids.profile_page}
  {bob.ids.profile_page}
and both answer commands in another window:
  cuicui timeline --data {shlex.quote(str(bob.settings.data))}
  cuicui post --data {shlex.quote(str(alice.settings.data))} "Hello again\"""")
    await running.stop_signal().wait()


def free_ports(number: int) -> list[int]:
    """The first free ports of this machine from 8140 on."""
    found: list[int] = []
    for port in range(FIRST_PORT, FIRST_PORT + 1000):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
        if len(found) == number:
            return found
    raise StartError(f"no {number} free ports between {FIRST_PORT} and {FIRST_PORT + 1000}")


@asynccontextmanager
async def _node(data: Path, name: str, port: int) -> AsyncIterator[Node]:
    """A node like any other: its own store, its own port. Only this one setting is not the default."""
    flags = {"base_url": f"http://127.0.0.1:{port}", "listen": f"127.0.0.1:{port}", "allow_networks": LOOPBACK}
    chosen = settings.load(data, environ={}, flags=flags)
    await founding.found(chosen, handle=name, name=name.capitalize())
    with (data / settings.FILE).open("a", encoding="utf-8") as file:
        file.write(f'allow_networks = ["{LOOPBACK}"]\n')  # for commands from another window
    with running.only_one(data):
        async with app.opened(chosen, worker=app.MAIN) as node, app.serving(node):
            yield node


# ── how it is told ───────────────────────────────────────────────────────────────────────────


class Story:
    """Prints each step with what it took; a step that fails ends the story."""

    def __init__(self) -> None:
        self.steps = 0
        self.began = self._last = time.perf_counter()

    def step(self, done: str, *facts: str) -> None:
        now = time.perf_counter()
        self.steps += 1
        click.echo(f"{click.style('✓', fg='green')} {done}  ({(now - self._last) * 1000:.0f} ms)")
        for fact in facts:
            click.echo(f"    {text.plain(fact, 300)}")
        self._last = time.perf_counter()

    def fail(self, error: CuicuiError) -> None:
        click.echo(f"{click.style('✗', fg='red')} {error.message}")
        if error.hint:
            click.echo(f"    hint: {error.hint}")


def hold(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)


async def until(ask: Callable[[], Awaitable[T | None]], otherwise: str) -> T:
    """Ask until there is an answer."""
    deadline = time.perf_counter() + PATIENCE
    while (answer := await ask()) is None:
        if time.perf_counter() > deadline:
            raise Failed(f"{otherwise}, in {PATIENCE:.0f} s")
        await asyncio.sleep(0.003)
    return answer


async def _tell(story: Story, alice: Node, bob: Node, mallory: Forger) -> None:
    for node in (alice, bob):
        name = node.ids.handle.capitalize()
        key = node.keys.identity.public
        story.step(
            f"{name} has a node of their own",
            f"handle {_at(node)}, address {node.ids.profile_page}",
            _print_of(key.fingerprint),
        )
    await _find_each_other(story, alice, bob)
    first = await _post(story, alice, bob)
    answer = await _talk(story, alice, bob, first)
    await _page(story, alice, bob, answer)
    await _forge(story, alice, bob, mallory, first)
    await _delete(story, alice, bob, first)


def _at(node: Node) -> str:
    return f"@{node.ids.acct}"


def _print_of(fingerprint: str) -> str:
    return f"key fingerprint {fingerprint}"


async def _find_each_other(story: Story, alice: Node, bob: Node) -> None:
    url = f"{alice.ids.base}/.well-known/webfinger?resource=acct:{alice.ids.acct}"
    answer = await bob.client.get(url, accept="application/jrd+json")
    found = canonical.load_object(answer.body)
    links = found.get("links")
    leads_to = [link.get("href") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    hold(alice.ids.actor in leads_to, f"WebFinger of alice does not lead to {alice.ids.actor}")
    story.step("Bob asks WebFinger who alice is", f"{found.get('subject')} → {alice.ids.actor}")
    for one, other in ((bob, alice), (alice, bob)):
        await one.owner.follow(_at(other))
        await until(lambda one=one: _accepted(one), f"{_at(other)} did not accept the follow of {_at(one)}")  # type: ignore[misc]
        _, known = await one.owner.keys_of(_at(other))
        key = other.keys.identity.public
        pinned = [item for item in known if item.material == key.multikey]
        hold(bool(pinned), f"{_at(one)} did not pin the key of {_at(other)}")
        names = one.ids.handle.capitalize(), other.ids.handle
        story.step(f"{names[0]} follows {names[1]}, and remembers the key", _print_of(key.fingerprint))


async def _accepted(node: Node) -> bool | None:
    return True if [item for item in await node.owner.following() if item.state is State.ACCEPTED] else None


async def _arrived(node: Node, iri: Iri, *, mentions: bool = False) -> Post:
    async def look() -> Post | None:
        return next((post for post in await node.owner.timeline(mentions=mentions) if post.note.iri == iri), None)

    post = await until(look, f"{iri} did not arrive at {_at(node)}")
    verdict = post.authorship.verdict
    hold(verdict is Verdict.SIGNED, f"{iri} arrived at {_at(node)} as {verdict}: {post.authorship.reason}")
    return post


def _said(post: Post) -> tuple[str, str]:
    by = post.authorship
    return f"“{text.to_text(post.note.content)}”", f"verdict {by.verdict}: {by.reason}"


async def _post(story: Story, alice: Node, bob: Node) -> Post:
    posted = await alice.owner.post(Draft("Hello, world. This one is signed. #cuicui"))
    post = await _arrived(bob, posted.post.note.iri)
    key = alice.keys.identity.public
    hold(post.authorship.key == key.multikey, "the post is signed by another key than alice's")
    story.step("Alice posts, and bob reads it", *_said(post), f"key {key.multikey}")
    return posted.post


async def _talk(story: Story, alice: Node, bob: Node, first: Post) -> Post:
    reply = await bob.owner.post(Draft(f"{_at(alice)} I can see that!", in_reply_to=first.note.iri))
    arrived = await _arrived(alice, reply.post.note.iri, mentions=True)
    story.step("Bob replies, and alice reads it", *_said(arrived))
    back = await alice.owner.post(Draft(f"{_at(bob)} And nobody else can write it.", in_reply_to=reply.post.note.iri))
    story.step("Alice answers, and bob reads it", *_said(await _arrived(bob, back.post.note.iri)))
    return reply.post


async def _page(story: Story, alice: Node, bob: Node, reply: Post) -> None:
    """What anybody sees in a browser: bob's post, and below it alice's answer with its verdict."""
    address = str(reply.note.url)
    page = (await alice.client.get(address, accept="text/html")).body.decode()
    answers = re.findall(r'<li class="reply".*?</li>', page, re.DOTALL)
    shown = next((part for part in answers if _at(alice) in unescape(part)), "")
    words = " ".join(unescape(re.sub(r"<[^>]*>", " ", shown)).split())
    hold("is-signed" in shown, f"the page {address} does not show alice's answer as signed")
    story.step("Bob's page shows the verdict to everybody", address, words)


# ── the forger ───────────────────────────────────────────────────────────────────────────────


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


async def _forge(story: Story, alice: Node, bob: Node, mallory: Forger, first: Post) -> None:
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


async def _delete(story: Story, alice: Node, bob: Node, first: Post) -> None:
    await alice.owner.delete(first.note.iri)

    async def gone() -> bool | None:
        return None if [post for post in await bob.owner.timeline() if post.note.iri == first.note.iri] else True

    await until(gone, "bob still has the post that alice deleted")
    try:
        status = (await bob.client.get(first.note.iri, accept=ACTIVITY)).status
    except Unreachable as error:
        raise Failed(error.message) from None
    hold(status == 410, f"the deleted post's address answers {status}, not 410")
    story.step("Alice deletes her first post, and it leaves bob's timeline", f"{first.note.iri} answers {status} Gone")
