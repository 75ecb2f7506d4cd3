"""Statuses: read one, with what is around it; take one back; where it came from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from aiohttp import web

from node.errors import CuicuiError, NotFound
from node.model import Post, ReactionKind, Revision
from node.storage import listings
from node.web.mastodon import entities, gather, parts
from node.web.mastodon.call import Call
from node.web.mastodon.entities import Json
from node.web.mastodon.reply import Fragment, links, reply
from node.web.mastodon.route import Route

PATIENCE = 0.7
"""Seconds that a reader waits for a thread to be completed; what comes later is there the next time."""

TOURS = 4
"""Threads that are completed at one time."""

_tours: dict[int, asyncio.Task[None]] = {}


async def found(call: Call, name: str = "id") -> Post:
    """The post that a path names, by its number or by that of a boost. Raises NotFound."""
    async with call.rooms.store.read() as tx:
        post = await gather.find(tx, call.id(name), is_owner=call.is_owner)
    if post is None:
        raise NotFound("Record not found")
    return post


async def shown(call: Call, post: Post) -> Fragment:
    async with call.rooms.store.read() as tx:
        return await gather.status(tx, call.rooms, post, is_owner=call.is_owner)


async def show(call: Call) -> web.Response:
    """Anybody may read what the owner says openly; the rest is the owner's."""
    post = await found(call)
    if call.is_owner:
        post = await call.rooms.polls.opened(post)
    return reply(await shown(call, post))


async def show_many(call: Call) -> web.Response:
    """In the order asked for; what is not here is left out."""
    wanted = call.ids(most=40)
    async with call.rooms.store.read() as tx:
        here = await listings.many(tx, wanted)
        posts = [here[one] for one in wanted if one in here and gather.may_read(here[one], is_owner=call.is_owner)]
        return reply(await gather.statuses(tx, call.rooms, posts, is_owner=call.is_owner))


# ── the conversation ─────────────────────────────────────────────────────────────────────────


async def context(call: Call) -> web.Response:
    """What a post answers, and what answers it. For the owner the rest is fetched, and not waited for for long."""
    post, reading = await found(call), call.rooms.reading
    if call.is_owner:
        await _complete(call, post.id)
    thread = await reading.open_thread(str(post.id), fetch=False)
    above = [one for one in thread.above if gather.may_read(one, is_owner=call.is_owner)]
    below = [one for one in thread.below if gather.may_read(one, is_owner=call.is_owner)]
    async with call.rooms.store.read() as tx:
        shown = await gather.statuses(tx, call.rooms, [*above, *below], is_owner=call.is_owner)
    return reply({"ancestors": shown[: len(above)], "descendants": shown[len(above) :]})


async def _complete(call: Call, identifier: int) -> None:
    task = _tours.get(identifier)
    if task is None:
        if len(_tours) >= TOURS:
            return
        task = _tours[identifier] = asyncio.create_task(_tour(call, identifier))
        task.add_done_callback(lambda _: _tours.pop(identifier, None))
    await asyncio.wait({task}, timeout=PATIENCE)


async def _tour(call: Call, identifier: int) -> None:
    try:
        await call.rooms.reading.open_thread(str(identifier))
    except CuicuiError:
        pass  # what is here is shown


# ── who wrote it, and when ───────────────────────────────────────────────────────────────────


async def evidence(call: Call) -> web.Response:
    """The bundle that `cuicui verify FILE` checks offline (decisions.md §16)."""
    bundle = await call.rooms.evidence(await found(call))
    # Not by orjson: what others sent may hold an integer of 19 digits, and not all of those are of 64 bits.
    return reply(Fragment(json.dumps(bundle, ensure_ascii=False).encode()))


async def history(call: Call) -> web.Response:
    """Every version, oldest first, each with its verdict."""
    post = await found(call)
    versions = await call.rooms.owner.history(post.note.iri)
    async with call.rooms.store.read() as tx:
        whole = await gather.status_json(tx, call.rooms, post, is_owner=call.is_owner)
    return reply([_version(one, whole, last=one is versions[-1]) for one in versions])


def _version(one: Revision, whole: Json, *, last: bool) -> Json:
    unknown = {} if last else {"key_since": None, "key_trust": None, "signed_at": None}  # of an earlier key, if any
    return {
        "account": whole["account"],
        "content": entities.clean(one.content),
        "created_at": parts.time(one.written_at),
        "spoiler_text": one.summary,
        "sensitive": whole["sensitive"] if last else bool(one.summary),
        "media_attachments": whole["media_attachments"] if last else [],
        "emojis": whole["emojis"],
        "poll": whole["poll"] and {"options": [{"title": option["title"]} for option in whole["poll"]["options"]]},
        "cuicui": {
            **whole["cuicui"],
            "verdict": one.verdict.value,
            "reason": one.reason,
            "key": one.key,
            **unknown,
        },
    }


async def source(call: Call) -> web.Response:
    """The owner's own words, to be edited."""
    post = await found(call)
    if not post.own:
        raise NotFound("Record not found")
    return reply({"id": str(post.id), "text": post.note.source or "", "spoiler_text": post.note.summary})


async def delete(call: Call) -> web.Response:
    """Take back a post, or (by its own number) a boost. What comes back has the words, to be written anew with the
    same files, unless `delete_media` says that it will not be.
    """
    post, rooms = await found(call), call.rooms
    if post.boosted_by is not None and post.boosted_by.iri == rooms.ids.actor:
        await rooms.interactions.unboost(post.note.iri)
        return reply(await shown(call, gather.alone(post)))
    if not post.own:
        raise NotFound("Record not found")
    async with rooms.store.read() as tx:
        whole = await gather.status_json(tx, rooms, post, is_owner=True)
    await rooms.owner.delete(post.note.iri, keep_files=not call.flag("delete_media"))
    return reply(whole | {"text": post.note.source or ""})


# ── who reacted ──────────────────────────────────────────────────────────────────────────────


async def favourited_by(call: Call) -> web.Response:
    return await _people(call, ReactionKind.LIKE)


async def reblogged_by(call: Call) -> web.Response:
    return await _people(call, ReactionKind.BOOST)


async def _people(call: Call, kind: ReactionKind) -> web.Response:
    post, window = await found(call), call.window(40, 80)
    async with call.rooms.store.read() as tx:
        reacted = await listings.reacted(tx, post.note.iri, kind, window)
        people = await gather.accounts(tx, call.rooms, [actor for _, actor in reacted], is_owner=True)
    return reply(people, headers=links(call, [number for number, _ in reacted], window.limit))


async def quotes(call: Call) -> web.Response:
    """Posts that quote one, by its author's leave."""
    post, window = await found(call), call.window()
    async with call.rooms.store.read() as tx:
        return await page(call, await listings.quoting(tx, post.note.iri, window), window.limit)


async def page(call: Call, posts: Sequence[Post], limit: int) -> web.Response:
    """A list of posts with its Link header."""
    async with call.rooms.store.read() as tx:
        shown = await gather.statuses(tx, call.rooms, posts, is_owner=call.is_owner)
    return reply(shown, headers=links(call, [gather.entry_of(post) for post in posts], limit))


ROUTES = (
    Route("GET", "/api/v1/statuses", show_many, "read:statuses", anonymous=True, kept=True),
    Route("GET", "/api/v1/statuses/:id", show, "read:statuses", anonymous=True, kept=True),
    Route("DELETE", "/api/v1/statuses/:id", delete, "write:statuses"),
    Route("GET", "/api/v1/statuses/:id/context", context, "read:statuses", anonymous=True),
    Route("GET", "/api/v1/statuses/:id/history", history, "read:statuses", anonymous=True),
    Route("GET", "/api/v1/statuses/:id/source", source, "read:statuses"),
    Route("GET", "/api/v1/statuses/:id/favourited_by", favourited_by, "read:accounts", kept=True),
    Route("GET", "/api/v1/statuses/:id/reblogged_by", reblogged_by, "read:accounts", kept=True),
    Route("GET", "/api/v1/statuses/:id/quotes", quotes, "read:statuses"),
    Route("GET", "/api/cuicui/v1/statuses/:id/evidence", evidence, "read:statuses", anonymous=True),
)
