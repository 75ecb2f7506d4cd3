"""How the story is told: one line a step, with what it took; a step that fails ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click

from node import text
from node.app import Node
from node.errors import CuicuiError
from node.model import Iri, Post, Verdict

PATIENCE = 5.0
"""Seconds until a step that does not happen counts as failed."""

LOOPBACK = "127.0.0.0/8"
ACTIVITY = "application/activity+json"

T = TypeVar("T")


class Failed(CuicuiError):
    """A step of the story did not go as it must."""

    code = "demo"


class Calendar:
    """The time for everybody in the story. It can be put forward: a week passes in a moment."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def pass_by(self, time_: timedelta) -> None:
        self._ahead += time_


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


def at(node: Node) -> str:
    """The handle, as others write it."""
    return f"@{node.ids.acct}"


async def arrived(node: Node, iri: Iri, *, mentions: bool = False, as_: Verdict = Verdict.SIGNED) -> Post:
    """The post with this id, once it is at home (or among the mentions), with the verdict that it must have."""

    async def look() -> Post | None:
        return next((post for post in await node.owner.timeline(mentions=mentions) if post.note.iri == iri), None)

    post = await until(look, f"{iri} did not arrive at {at(node)}")
    verdict = post.authorship.verdict
    hold(verdict is as_, f"{iri} arrived at {at(node)} as {verdict}: {post.authorship.reason}")
    return post


def said(post: Post) -> tuple[str, str]:
    """What a post says, and who wrote it, in two lines."""
    by = post.authorship
    return f"“{text.to_text(post.note.content)}”", f"verdict {by.verdict}: {by.reason}"
