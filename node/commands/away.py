"""Commands that keep somebody away: block, mute, and the box of requests."""

from __future__ import annotations

from pathlib import Path

import click

from node import printing as show_
from node.commands.shared import contents
from node.model import Iri, utcnow
from node.moderate import span
from node.opening import opened
from node.printing import as_json as print_json
from node.printing import hint, out, say


async def block(data: Path, passphrase_file: Path | None, whom: str, comment: str) -> None:
    async with opened(data, passphrase_file) as node:
        new = await node.moderation.block(whom, comment)
    if new.kind == "domain":
        say(f"{new.value} and all below it is blocked")
    else:
        say(f"{whom} is blocked" + ("" if "://" in new.value else ", by that name: their server does not answer"))


async def import_blocks(data: Path, passphrase_file: Path | None, file: Path) -> None:
    try:
        found = contents(str(file)).decode()
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is not UTF-8 text") from None
    async with opened(data, passphrase_file) as node:
        done = await node.moderation.import_blocks(found)
    say(f"blocked: {done.accounts} accounts, {done.domains} domains")
    for line in done.skipped[:20]:
        say(f"left out: {line}")
    if len(done.skipped) > 20:
        say(f"left out: {len(done.skipped) - 20} more")


async def unblock(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.moderation.unblock(whom)
    say(f"{whom} is not blocked any more")


async def blocks(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.moderation.blocked()
        people = await node.owner.people([Iri(item.value) for item in found if item.kind == "account"])
    if as_json:
        print_json([show_.block_json(item, people) for item in found])
        return
    for item in found:
        out(show_.block_words(item, people))
    if not found:
        say("you block nobody")


async def mute(data: Path, passphrase_file: Path | None, whom: str, for_: str | None) -> None:
    length = span(for_) if for_ is not None else None
    async with opened(data, passphrase_file) as node:
        await node.moderation.mute(whom, length)
    say(f"you do not see {whom}" + (f" for {for_}" if for_ else " any more"))


async def unmute(data: Path, passphrase_file: Path | None, whom: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.moderation.unmute(whom)
    say(f"you see {whom} again")


async def mutes(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.moderation.muted()
        people = await node.owner.people([item.actor for item in found])
    if as_json:
        print_json([show_.mute_json(item, people) for item in found])
        return
    for item in found:
        out(show_.mute_words(item, people))
    if not found:
        say("you mute nobody")


async def requests(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.moderation.requests(limit=80)
    if as_json:
        print_json([show_.post_json(item) for item in found])
        return
    if found:
        out("\n\n".join(show_.post_words(item, utcnow()) for item in found))
        hint("let somebody in: cuicui requests allow @name@host; or block, or ignore")
    else:
        say("no stranger waits for you")


async def decide(data: Path, passphrase_file: Path | None, whom: str, *, allow: bool) -> None:
    async with opened(data, passphrase_file) as node:
        await (node.moderation.allow if allow else node.moderation.ignore)(whom)
    say(f"{whom} may speak to you" if allow else f"what {whom} says to you is shown nowhere")
