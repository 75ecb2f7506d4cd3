"""Commands about whom the owner follows and who follows: ask, answer, list."""

from __future__ import annotations

import asyncio
from pathlib import Path

from node import printing as show_
from node import running
from node.app import Node
from node.commands.shared import not_running
from node.opening import opened
from node.printing import as_json as print_json
from node.printing import hint, out, say
from node.storage.relations import Relation, State

ANSWER_WAIT = 1.5
"""Seconds that `follow` waits for the other side's yes, when the node runs."""


async def follow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
        serves = running.is_running(data)
        relation = await node.owner.follow(whom)
        before = relation.state
        deadline = asyncio.get_running_loop().time() + ANSWER_WAIT
        while serves and relation.state is State.PENDING and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            relation = await _current(node, relation)
    if relation.state is State.ACCEPTED:
        say(f"you follow {whom}" + (" already" if before is State.ACCEPTED else " now"))
    elif relation.state is State.REJECTED:
        say(f"{whom} said no")
    elif serves:
        say(f"asked {whom}; waiting for their yes")
    else:
        not_running(data, f"the request to {whom} is kept, and goes out when the node runs")


async def _current(node: Node, relation: Relation) -> Relation:
    return next((item for item in await node.owner.following() if item.actor == relation.actor), relation)


async def unfollow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.owner.unfollow(whom)
    say(f"you do not follow {whom} any more")


async def tag(data: Path, passphrase_file: Path | None, name: str, *, follow: bool) -> None:
    async with opened(data, passphrase_file) as node:
        await (node.owner.follow_tag if follow else node.owner.unfollow_tag)(name)
    say(f"you follow #{name.removeprefix('#')}" if follow else f"you do not follow #{name.removeprefix('#')} any more")


async def tags(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.owner.followed_tags()
    if as_json:
        print_json([{"name": one.name, "since": show_.stamp(one.since)} for one in found])
        return
    for one in found:
        out(f"#{one.name}")
    if not found:
        say("you follow no hashtag")
        hint("for example: cuicui tag follow birding")


async def following(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.owner.following()
        people = await node.owner.people([item.actor for item in found])
    if as_json:
        print_json(show_.relations_json(found, people))
        return
    states = {State.ACCEPTED: "", State.PENDING: "(asked; waiting for their yes)", State.REJECTED: "(said no)"}
    for item in found:
        out(show_.relation_words(item, people, states[item.state]).rstrip())
    if not found:
        say("you follow nobody")
        hint("follow somebody: cuicui follow @name@host")


async def followers(data: Path, passphrase_file: Path | None, *, requests: bool, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.owner.followers(requests=requests)
        people = await node.owner.people([item.actor for item in found])
    if as_json:
        print_json(show_.relations_json(found, people))
        return
    for item in found:
        out(show_.relation_words(item, people, "").rstrip())
    if not found:
        say("nobody waits for your answer" if requests else "nobody follows you yet")


async def answer(data: Path, passphrase_file: Path | None, whom: str, *, yes: bool) -> None:
    async with opened(data, passphrase_file) as node:
        await (node.owner.accept if yes else node.owner.reject)(whom)
    say(f"{whom} follows you now" if yes else f"{whom} does not follow you")
