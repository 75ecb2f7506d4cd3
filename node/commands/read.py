"""Commands that read: timeline, thread, profile, what was recovered after an absence."""

from __future__ import annotations

from pathlib import Path

from node import printing as show_
from node import text
from node.commands.shared import find
from node.federation.lookup import parse_handle
from node.model import Iri, utcnow
from node.opening import opened
from node.printing import as_json as print_json
from node.printing import hint, out, say


async def timeline(
    data: Path, passphrase_file: Path | None, limit: int, before: int | None, *, mentions: bool, as_json: bool
) -> None:
    async with opened(data, passphrase_file) as node:
        posts = await node.owner.timeline(before=before, limit=limit, mentions=mentions)
        news = None if as_json else await node.reading.last_absence(once=True)
    if as_json:
        print_json([show_.post_json(item) for item in posts])
        return
    if news is not None:
        say(news.sentence)
    if posts:
        out("\n\n".join(show_.post_words(item, utcnow()) for item in posts))
    else:
        say("nothing yet")
        hint("follow somebody: cuicui follow @name@host")


async def thread(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.reading.open_thread(which)
    if as_json:
        above, below = ([show_.post_json(item) for item in posts] for posts in (found.above, found.below))
        print_json({"post": show_.post_json(found.post), "above": above, "below": below, "more": found.more})
        return
    now = utcnow()
    out("\n\n".join(show_.post_words(item, now) for item in (*found.above, found.post, *found.below)))
    if found.more:
        say(f"its origin knows of {found.more} more")


async def away(data: Path, passphrase_file: Path | None, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        found = await node.reading.last_absence()
        people = await node.owner.people([Iri(one) for one in found.unreachable] if found else [])
    if as_json:
        print_json(show_.absence_json(found) if found else None)
        return
    if found is None:
        say("the node has not been away")
        return
    out(found.sentence)
    for iri in found.unreachable:
        known = people.get(Iri(iri))
        out(f"  not reached: {known.actor.handle if known else iri}")


async def _profile_of(data: Path, passphrase_file: Path | None, whom: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        known, posts = await node.reading.open_profile(whom)
    if as_json:
        more = {"fields": show_.fields_json(known.actor), "posts": [show_.post_json(item) for item in posts]}
        print_json({**show_.person_json(known.actor), **more})
        return
    out(f"{known.actor.handle}  {show_.one_line(known.actor.name)}  {known.actor.url or known.actor.iri}")
    if about := show_.one_line(text.to_text(known.actor.summary)):
        out(f"  {about}")
    for field in known.actor.fields:
        out(f"  {show_.field_words(field, text.to_text(field.value))}")
    for item in posts:
        out("\n" + show_.post_words(item, utcnow()))
    if not posts:
        say("no posts that anybody may read")


async def show(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    if parse_handle(which) is not None and not which.startswith(("https://", "http://")):
        await _profile_of(data, passphrase_file, which, as_json=as_json)
        return
    async with opened(data, passphrase_file) as node:
        found = await node.polls.opened(await find(node, which))
        counts = (await node.interactions.counts([found.note.iri]))[found.note.iri]
    if as_json:
        print_json({**show_.post_json(found), "seen_here": show_.counts_json(counts)})
    else:
        out("\n".join([show_.post_in_full(found, utcnow()), *show_.counts_lines(counts)]))
