"""Commands for posts that are there: boost, like, pin; and what was reported about the owner's."""

from __future__ import annotations

from pathlib import Path

from node import printing as show_
from node.commands.shared import find
from node.model import utcnow
from node.opening import opened
from node.printing import as_json as print_json
from node.printing import out, say


async def boost(data: Path, passphrase_file: Path | None, which: str, *, undo: bool) -> None:
    async with opened(data, passphrase_file) as node:
        iri = (await find(node, which)).note.iri
        await (node.interactions.unboost if undo else node.interactions.boost)(iri)
    say("your boost is taken back" if undo else "boosted; your followers and its author are told")


async def like(data: Path, passphrase_file: Path | None, which: str, emoji: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.interactions.like((await find(node, which)).note.iri, emoji)
    say(f"{emoji or 'liked'}; its author is told")


async def unlike(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.interactions.unlike((await find(node, which)).note.iri)
    say("your like is taken back")


async def vote(data: Path, passphrase_file: Path | None, which: str, choices: tuple[str, ...]) -> None:
    async with opened(data, passphrase_file) as node:
        voted = await node.polls.vote((await find(node, which)).note.iri, choices)
    assert voted.note.poll is not None
    out("\n".join(show_.poll_lines(voted.note.poll, utcnow())))
    say("voted; the author of the poll is told, and nobody else")


async def quotes(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.quoting.grants()
    if as_json:
        print_json([show_.grant_json(grant) for grant in found])
        return
    for grant in found:
        gone = "  (taken back)" if grant.revoked_at is not None else ""
        out(f"{grant.quoting} by {grant.actor} quotes {grant.note}{gone}")
    if not found:
        say("nobody quotes you")


async def unquote(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
        await node.quoting.revoke(which)
    say("taken back; the one who quotes you is told, and so are your followers")


async def pin(data: Path, passphrase_file: Path | None, which: str, *, undo: bool) -> None:
    async with opened(data, passphrase_file) as node:
        iri = (await find(node, which)).note.iri
        await (node.interactions.unpin if undo else node.interactions.pin)(iri)
    say("not pinned any more" if undo else "pinned on top of your profile")


async def reports(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.interactions.reports()
    if as_json:
        print_json([show_.report_json(report) for report in found])
        return
    for report in found:
        out(show_.report_words(report))
    if not found:
        say("nobody has reported anything to you")
