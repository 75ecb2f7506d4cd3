"""Spoiled activities: a refusal with a name, or harmless; never an accident, and never a row by what was refused."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import app
from node.errors import CuicuiError, Refused
from node.federation import parse, policy
from node.federation.authenticate import read_json
from node.ids import Ids
from node.model import Create, Draft, Iri, Update
from node.observe import counters
from node.storage.schema import metadata
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.homes import Home, settle_in
from tests.support.mutants import Step, mutant, steps
from tests.support.servers import FOLLOW, NAMES, OWN, THEM, US, cases, filled, foreigner, name_of, server
from tests.support.stranger import Place, rsa_key

# The same examples every time: what fails, fails for everybody. More of them: --hypothesis-seed and a larger number.
ALWAYS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
KEYS = {"PEM": rsa_key("vector").public.pem}
OUR_IDS = Ids("https://us.example", "owner")

some_case = st.sampled_from(cases())
ACTORS = [filled(server(name)["actor"], KEYS) for name in NAMES]


def _document(case: tuple[str, int]) -> Any:
    vector = server(case[0])
    document = vector["cases"][case[1]]["document"]
    return {**document, "object": vector["actor"]} if document.get("object") == "ACTOR" else document


def _has_a_name(error: CuicuiError) -> None:
    """Refusals are told apart by their codes, and say little more than that."""
    assert error.code
    assert len(error.message) < 5000
    if isinstance(error, Refused):
        assert 400 <= error.status < 500


# ── what is pure ─────────────────────────────────────────────────────────────────────────────


@settings(ALWAYS, max_examples=2500)
@given(some_case, steps)
def test_spoiled_activities_are_parsed_or_refused(case: tuple[str, int], how: list[Step]) -> None:
    """security.md §4: "validate to dataclasses at the door"; parsing is total, and so is what decides on it."""
    document = mutant(_document(case), how)
    try:
        document = read_json(json.dumps(document).encode())
        activity = parse.activity(document)
        policy.admit(activity, activity.actor, ids=OUR_IDS)
    except Refused as refused:
        _has_a_name(refused)
        return
    if isinstance(activity, Create | Update):
        assert len(activity.note.content) <= 2 * parse.MAX_CONTENT
        assert len(activity.note.mentions) <= parse.MAX_MENTIONS
        assert len(activity.note.attachments) <= parse.MAX_ATTACHMENTS
        assert "<script" not in activity.note.content.lower()
    repr(activity).encode()  # nothing in it that cannot be written down


@settings(ALWAYS, max_examples=800)
@given(st.sampled_from(ACTORS), steps)
def test_spoiled_accounts_are_parsed_or_refused(document: Any, how: list[Step]) -> None:
    """The same for actors, and for what one meets in a collection."""
    spoiled = mutant(document, how)
    for read in (parse.actor, parse.note, parse.collection_page):
        try:
            read(read_json(json.dumps(spoiled).encode()))  # type: ignore[operator]
        except Refused as refused:
            _has_a_name(refused)


@settings(ALWAYS, max_examples=600)
@given(some_case, st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4), st.integers(0, 3)), max_size=4))
def test_spoiled_bytes_are_read_or_refused(case: tuple[str, int], cuts: list[tuple[int, bytes, int]]) -> None:
    """security.md §0.5: one strict reader; whatever bytes come in, a document or a refusal comes out."""
    body = json.dumps(_document(case), ensure_ascii=False).encode()
    for at, new, gone in cuts:
        at %= len(body) + 1
        body = body[:at] + new + body[at + gone :]
    try:
        assert isinstance(read_json(body), dict)
    except Refused as refused:
        _has_a_name(refused)


# ── a node that runs ─────────────────────────────────────────────────────────────────────────

GROWING = {"actors", "keys", "hosts", "refusals", "cursors", "lookalikes"}
"""Tables of whom the node met by looking up a key: that comes before anything that they say is read."""


class Bench:
    """A node whose doors are open and whose workers sleep, so that nothing moves but what is delivered."""

    def __init__(self, runner: asyncio.Runner, home: Home, node: app.Node, place: Place, third: Place) -> None:
        self.run: Callable[[Awaitable[Any]], Any] = lambda work: runner.run(_awaited(work))
        self.home, self.node, self.place, self.third = home, node, place, third
        assert node.store.path is not None
        self.looking = sqlite3.connect(node.store.path)  # as they lie there: looked at twice for each example
        self.people = {name: foreigner(place, name) for name in NAMES}
        self.friend = place.stranger("friend")
        own = self.run(node.owner.post(Draft("good morning"))).post.note.iri
        follow = self.run(node.owner.follow(self.friend.iri)).activity
        self.here = {US + OWN: own, US + FOLLOW: follow, US + "/": home.base + "/", THEM: place.base}
        self.here["https://third.example"] = third.base
        for them in self.people.values():
            # Met before, since a spoiled key id that is asked for in vain keeps newcomers of that server waiting.
            self.run(node.actors.get(them.iri))

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table that says something."""
        return {
            table.name: self.looking.execute(f"SELECT * FROM {table.name}").fetchall()
            for table in metadata.sorted_tables
            if table.name not in GROWING
        }

    async def deliver(self, name: str, document: Any) -> None:
        """Over the wire, under a valid signature: taken, or refused by name and without a trace."""
        before = self.rows()
        reply = await self.people[name].deliver(json.dumps(document).encode(), self.home.base)
        assert reply.status in (202, 400, 401, 403, 404, 413), (reply.status, reply.body)
        if reply.status != 202:
            assert reply.code
            assert self.rows() == before, reply.code


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


@contextmanager
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = FakeClock()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> tuple[Home, app.Node, Place, Place]:
            home = await settle_in(tmp_path, "owner", clock=clock)
            node = await stack.enter_async_context(app.opened(home.settings, clock=clock, worker=app.MAIN))
            home._node = node
            server = web.AppRunner(app.site(node), access_log=None)
            await server.setup()
            stack.push_async_callback(server.cleanup)
            await web.TCPSite(server, home.settings.listen_host, home.settings.listen_port).start()
            places = [await stack.enter_async_context(Place()) for _ in range(2)]
            return home, node, places[0], places[1]

        try:
            made = Bench(runner, *runner.run(start()))
            with closing(made.looking):
                yield made
        finally:
            runner.run(stack.aclose())


def test_spoiled_activities_leave_no_trace_where_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """ "No exception but the named refusals, no row written by a refused one": over the wire, on a real store."""
    numbers = iter(range(10**6))
    with bench(tmp_path) as node:
        for name in NAMES:  # the lives of all of them, up to where they fall out with the owner
            for case in server(name)["cases"]:
                if not case["name"].startswith(("undo", "delete", "block", "reject", "move")):
                    node.run(node.deliver(name, filled(_whole(case["document"], node, name), node.here)))
        unapplied = counters["unapplied"]

        lasting = [case for case in cases() if "itself" not in name_of(case)]  # nobody is heard once they are gone

        @settings(ALWAYS, max_examples=260)
        @given(st.sampled_from(lasting), steps)
        def spoil(case: tuple[str, int], how: list[Step]) -> None:
            document = mutant(_renamed(_document(case), next(numbers)), how)
            node.run(node.deliver(case[0], filled(document, node.here)))

        spoil()
        assert counters["unapplied"] == unapplied, caplog.text
        node.run(node.node.inbox.retry())
        assert "Traceback" not in caplog.text
        assert node.run(node.node.owner.timeline(limit=80)) is not None
        assert node.run(node.node.moderation.requests(limit=80))
        page = node.run(node.friend.get(node.node.ids.profile_page, accept="text/html", signed=False))
        assert page.status == 200
        node.run(greet(node.home, node.friend))


def _whole(document: Any, node: Bench, name: str) -> Any:
    return {**document, "object": node.people[name].document()} if document.get("object") == "ACTOR" else document


def _renamed(document: Any, number: int) -> Any:
    """Under an id that was not there yet; new posts have a new one too."""
    renamed = {**document}
    if "id" in renamed:
        renamed["id"] = f"{renamed['id']}-{number}"
    if renamed["type"] == "Create" and isinstance(renamed["object"], dict):
        renamed["object"] = {**renamed["object"], "id": f"{renamed['object']['id']}-{number}"}
    return renamed


def test_spoiled_accounts_are_met_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Actor documents are fetched and stored: a spoiled one is refused, or its owner can be shown all the same."""
    with bench(tmp_path) as node:
        numbers = iter(range(10**6))

        @settings(ALWAYS, max_examples=120)
        @given(st.sampled_from(ACTORS), steps)
        def spoil(document: Any, how: list[Step]) -> None:
            path = f"/accounts/{next(numbers)}"
            named = filled(document, {document["id"]: f"{THEM}{path}"})
            node.place.documents[path] = filled(mutant(named, how), node.here)
            node.run(_met(node, Iri(node.place.base + path)))

        spoil()
        node.run(greet(node.home, node.friend))
        assert "Traceback" not in caplog.text


async def _met(node: Bench, iri: Iri) -> None:
    before = node.rows()
    try:
        known = await node.node.actors.get(iri)
    except CuicuiError as error:
        _has_a_name(error)
    else:
        assert known.actor.iri == iri
        assert known.actor.username
    assert node.rows() == before
