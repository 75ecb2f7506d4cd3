"""Two real nodes, a neighbour and a forger on this machine, and what happens between them, told in the terminal."""

from __future__ import annotations

import re
import shlex
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path

import click

from keys import canonical
from node import app, founding, observe, running, settings
from node.app import Node
from node.demo import carol, forger
from node.demo.story import ACTIVITY, LOOPBACK, Calendar, Failed, Story, arrived, at, hold, said, until
from node.errors import CuicuiError, StartError, Unreachable
from node.model import Draft, Post
from node.reading import Recovered
from node.storage import queue
from node.storage.relations import State

FIRST_PORT = 8140


async def tell(*, once: bool) -> int:
    """Tell the story; 0 if every step went as it must. Without `once`, both sites stay up until Ctrl-C."""
    observe.set_up("error", "text")
    with reserved(4) as ports, tempfile.TemporaryDirectory(prefix="cuicui-demo-") as directory:
        async with AsyncExitStack() as stack:
            story, calendar = Story(), Calendar()
            try:
                homes = [
                    await stack.enter_async_context(Home(Path(directory) / name, name, port, calendar))
                    for name, port in zip(("alice", "bob"), ports, strict=False)
                ]
                mallory = await stack.enter_async_context(forger.forger(ports[2]))
                neighbour = await stack.enter_async_context(carol.server(ports[3], calendar))
                await _tell(story, homes[0], homes[1], neighbour, mallory, calendar)
            except CuicuiError as error:
                story.fail(error)
                return 1
            click.echo(f"\n{story.steps} steps in {time.perf_counter() - story.began:.1f} s, and all of them held.")
            if not once:
                await _stay(homes[0].node, homes[1].node)
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


@contextmanager
def reserved(number: int) -> Iterator[list[int]]:
    """The first free ports of this machine from 8140 on; no other demo takes them meanwhile.

    A node that is off for a week holds no port. So the same number is held that nobody needs here: of UDP.
    """
    found: list[int] = []
    with ExitStack() as held:
        for port in range(FIRST_PORT, FIRST_PORT + 1000):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                mark = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                try:
                    mark.bind(("127.0.0.1", port))
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    mark.close()
                    continue
            found.append(port)
            if len(found) == number:
                yield found
                return
        raise StartError(f"no {number} free ports between {FIRST_PORT} and {FIRST_PORT + 1000}")


class Home:
    """A node like any other: its own store, its own port. It can be switched off, and on again."""

    def __init__(self, data: Path, name: str, port: int, calendar: Calendar) -> None:
        flags = {"base_url": f"http://127.0.0.1:{port}", "listen": f"127.0.0.1:{port}", "allow_networks": LOOPBACK}
        self._settings = settings.load(data, environ={}, flags=flags)  # only these settings are not the defaults
        self._name = name
        self._calendar = calendar
        self._node: Node | None = None
        self._running = AsyncExitStack()

    @property
    def node(self) -> Node:
        assert self._node is not None, f"{self._name}'s node does not run"
        return self._node

    async def __aenter__(self) -> Home:
        await founding.found(self._settings, handle=self._name, name=self._name.capitalize())
        with (self._settings.data / settings.FILE).open("a", encoding="utf-8") as file:
            file.write(f'allow_networks = ["{LOOPBACK}"]\n')  # for commands from another window
        await self.switch_on()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.switch_off()

    async def switch_on(self) -> Node:
        async with AsyncExitStack() as stack:
            stack.enter_context(running.only_one(self._settings.data))
            opened = app.opened(self._settings, clock=self._calendar, worker=app.MAIN)
            self._node = await stack.enter_async_context(opened)
            await stack.enter_async_context(app.serving(self._node))
            self._running = stack.pop_all()
        return self.node

    async def switch_off(self) -> None:
        self._node = None
        await self._running.aclose()


async def _tell(
    story: Story, home: Home, bobs: Home, neighbour: carol.Server, mallory: forger.Forger, calendar: Calendar
) -> None:
    alice, bob = home.node, bobs.node
    for node in (alice, bob):
        name = node.ids.handle.capitalize()
        key = node.keys.identity.public
        story.step(
            f"{name} has a node of their own",
            f"handle {at(node)}, address {node.ids.profile_page}",
            _print_of(key.fingerprint),
        )
    await _find_each_other(story, alice, bob)
    first = await _post(story, alice, bob)
    answer = await _talk(story, alice, bob, first)
    await _page(story, alice, bob, answer)
    await _boost(story, alice, bob, first)
    await carol.meet(story, bob, neighbour)
    await carol.look_alike(story, alice, bob, neighbour)
    await forger.forge(story, alice, bob, mallory, first)
    await _edit(story, alice, bob, first)
    await _delete(story, alice, bob, first)
    await _week_offline(story, alice, bobs, calendar)


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
        await one.owner.follow(at(other))
        await until(lambda one=one: _accepted(one), f"{at(other)} did not accept the follow of {at(one)}")  # type: ignore[misc]
        _, known = await one.owner.keys_of(at(other))
        key = other.keys.identity.public
        pinned = [item for item in known if item.material == key.multikey]
        hold(bool(pinned), f"{at(one)} did not pin the key of {at(other)}")
        names = one.ids.handle.capitalize(), other.ids.handle
        story.step(f"{names[0]} follows {names[1]}, and remembers the key", _print_of(key.fingerprint))


async def _accepted(node: Node) -> bool | None:
    return True if [item for item in await node.owner.following() if item.state is State.ACCEPTED] else None


async def _post(story: Story, alice: Node, bob: Node) -> Post:
    posted = await alice.owner.post(Draft("Hello, world. This one is signed. #cuicui"))
    post = await arrived(bob, posted.post.note.iri)
    key = alice.keys.identity.public
    hold(post.authorship.key == key.multikey, "the post is signed by another key than alice's")
    story.step("Alice posts, and bob reads it", *said(post), f"key {key.multikey}")
    return posted.post


async def _talk(story: Story, alice: Node, bob: Node, first: Post) -> Post:
    reply = await bob.owner.post(Draft(f"{at(alice)} I can see that!", in_reply_to=first.note.iri))
    reached = await arrived(alice, reply.post.note.iri, mentions=True)
    story.step("Bob replies, and alice reads it", *said(reached))
    back = await alice.owner.post(Draft(f"{at(bob)} And nobody else can write it.", in_reply_to=reply.post.note.iri))
    story.step("Alice answers, and bob reads it", *said(await arrived(bob, back.post.note.iri)))
    return reply.post


async def _page(story: Story, alice: Node, bob: Node, reply: Post) -> None:
    """What anybody sees in a browser: bob's post, and below it alice's answer with its verdict."""
    address = str(reply.note.url)
    page = (await alice.client.get(address, accept="text/html")).body.decode()
    answers = re.findall(r'<li class="reply".*?</li>', page, re.DOTALL)
    shown = next((part for part in answers if at(alice) in unescape(part)), "")
    words = " ".join(unescape(re.sub(r"<[^>]*>", " ", shown)).split())
    hold("is-signed" in shown, f"the page {address} does not show alice's answer as signed")
    story.step("Bob's page shows the verdict to everybody", address, words)


async def _boost(story: Story, alice: Node, bob: Node, first: Post) -> None:
    await bob.interactions.boost(first.note.iri)

    async def seen() -> int | None:
        return (await alice.interactions.counts([first.note.iri]))[first.note.iri].boosts or None

    boosts = await until(seen, "alice did not hear of bob's boost")
    story.step("Bob boosts alice's post, and alice hears of it", f"boosts: {boosts}")


async def _edit(story: Story, alice: Node, bob: Node, first: Post) -> None:
    await alice.owner.edit(first.note.iri, "Hello, world. This one is signed, and so is its edit. #cuicui")

    async def edited() -> Post | None:
        post = await bob.owner.find_post(first.note.iri)
        return post if post is not None and post.note.updated is not None else None

    post = await until(edited, "alice's edit did not reach bob")
    versions = await bob.owner.history(first.note.iri)
    hold([version.verdict for version in versions] == ["signed", "signed"], "a version of alice's post is not signed")
    story.step("Alice edits her post; bob has both versions, each signed", *said(post))


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


async def _in_vain(node: Node, calendar: Calendar) -> None:
    """Until it has tried once more what it owes, and will try again later. The week passed too fast for it, and a
    delivery that arrives is one that need not be found."""
    node.delivery.wake()

    async def put_off() -> bool | None:
        async with node.store.read() as tx:
            owed = await queue.overview(tx)
        return True if all(row.next_at > calendar() for row in owed) else None

    await until(put_off, "alice's node still tries to reach bob's")


WEEK = timedelta(days=7)


async def _week_offline(story: Story, alice: Node, bobs: Home, calendar: Calendar) -> None:
    """Bob's node is switched off while alice writes; when it is back, it goes and looks."""
    await bobs.switch_off()
    written = [(await alice.owner.post(Draft("Is anybody there?"))).post]
    for words in ("It is quiet without bob.", "Friday, and still nothing."):
        calendar.pass_by(WEEK / 3)
        written.append((await alice.owner.post(Draft(words))).post)
    calendar.pass_by(WEEK / 3)
    await _in_vain(alice, calendar)
    bob = await bobs.switch_on()

    async def caught_up() -> Recovered | None:
        found = await bob.reading.last_absence()
        return found if found is not None and found.over else None

    found = await until(caught_up, "bob's node did not catch up with the week")
    for post in written:
        recovered = await arrived(bob, post.note.iri)
        late = abs((recovered.note.published or calendar()) - (post.note.published or calendar()))
        hold(late < timedelta(seconds=1), f"{post.note.iri} lost its date")
    story.step("Bob's node was off for a week; back again, it finds what alice wrote", found.sentence)
