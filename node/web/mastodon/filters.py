"""Filters, as apps of today (v2: with keywords and posts) and of before (v1: one phrase each) make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from node.errors import NotFound
from node.model import Tell
from node.storage import filters as stored
from node.storage import notes
from node.storage.dialect import Tx
from node.storage.filters import ACTIONS, CONTEXTS, Filter, FilteredPost, Keyword
from node.web.mastodon.call import Call, number
from node.web.mastodon.errors import Invalid
from node.web.mastodon.filtering import outline
from node.web.mastodon.parts import Json, time_or_none
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route

LONGEST = 512
"""Characters of a title, and of a keyword."""

MOST = 200
"""Filters; and keywords, and posts, of one."""

LONGEST_TIME = 10 * 365 * 86_400
"""Seconds."""


def _keyword(one: Keyword) -> Json:
    return {"id": str(one.id), "keyword": one.keyword, "whole_word": one.whole_word}


def _entry(one: FilteredPost) -> Json:
    return {"id": str(one.id), "status_id": str(one.note_id)}


def _whole(one: Filter) -> Json:
    return outline(one) | {
        "keywords": [_keyword(keyword) for keyword in one.keywords],
        "statuses": [_entry(entry) for entry in one.posts],
    }


def _told(call: Call) -> None:
    call.rooms.events.publish([Tell("filters_changed", "")])


# ── what is asked for ────────────────────────────────────────────────────────────────────────


def _contexts(call: Call, before: tuple[str, ...]) -> tuple[str, ...]:
    if "context" not in call.params and before:
        return before
    given = call.many("context")
    if not given:
        raise Invalid("Validation failed: Context can't be blank")
    if set(given) - set(CONTEXTS):
        raise Invalid("Validation failed: None or invalid context supplied")
    return tuple(name for name in CONTEXTS if name in given)


def _expiry(call: Call, before: datetime | None) -> datetime | None:
    """`expires_in` in seconds; empty means never."""
    if "expires_in" not in call.params:
        return before
    seconds = call.integer("expires_in", 0, most=LONGEST_TIME)
    return call.rooms.clock() + timedelta(seconds=seconds) if seconds else None


def _text(written: object, what: str) -> str:
    said = written.strip() if isinstance(written, str) else ""
    if not said:
        raise Invalid(f"Validation failed: {what} can't be blank")
    if len(said) > LONGEST:
        raise Invalid(f"Validation failed: {what} is too long (maximum is {LONGEST} characters)")
    return said


def _true(value: object) -> bool:
    return str(value).lower() not in ("none", "", "false", "0", "f", "off", "no")


def _changed(before: Filter, call: Call) -> Filter:
    """Raises Invalid."""
    title = _text(call.params.get("title"), "Title") if "title" in call.params or not before.title else before.title
    action = call.text("filter_action") or before.action
    if action not in ACTIONS:
        raise Invalid("Validation failed: Action is not included in the list")
    contexts, expires_at = _contexts(call, before.contexts), _expiry(call, before.expires_at)
    return replace(before, title=title, action=action, contexts=contexts, expires_at=expires_at)


def _new(call: Call) -> Filter:
    return Filter(_mint(call), "", (), "warn", None)


def _mint(call: Call) -> int:
    return call.rooms.snowflake.mint(call.rooms.clock())


def _keywords(call: Call, before: tuple[Keyword, ...]) -> tuple[Keyword, ...]:
    """`keywords_attributes`: a list, or a map from number to keyword; those with an id change, `_destroy` removes."""
    given: Any = call.params.get("keywords_attributes")
    rows = list(given.values()) if isinstance(given, Mapping) else given
    if rows is None:
        return before
    if not isinstance(rows, list) or len(rows) > MOST or not all(isinstance(row, Mapping) for row in rows):
        raise Invalid("Validation failed: Keywords attributes is invalid")
    found = {one.id: one for one in before}
    for row in rows:
        written = row.get("id")
        known = found.get(number(str(written)) or 0) if written not in (None, "") else None
        if written not in (None, "") and known is None:
            raise NotFound("Record not found")
        if known is not None and _true(row.get("_destroy")):
            del found[known.id]
            continue
        one = known or Keyword(_mint(call), "", True)
        if known is None or "keyword" in row:
            one = replace(one, keyword=_text(row.get("keyword"), "Keywords keyword"))
        if "whole_word" in row:
            one = replace(one, whole_word=_true(row["whole_word"]))
        found[one.id] = one
    if len(found) > MOST:
        raise Invalid(f"Validation failed: Keywords are too many (maximum is {MOST})")
    return tuple(found.values())


def _there(found: Filter | None) -> Filter:
    if found is None:
        raise NotFound("Record not found")
    return found


async def _make(tx: Tx, new: Filter) -> None:
    if len(await stored.everything(tx)) >= MOST:
        raise Invalid(f"Validation failed: there are {MOST} filters already")
    await stored.add(tx, new)


# ── v2 ───────────────────────────────────────────────────────────────────────────────────────


async def index(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply([_whole(one) for one in await stored.everything(tx)])


async def show(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply(_whole(_there(await stored.get(tx, call.id()))))


async def create(call: Call) -> web.Response:
    new = replace(_changed(_new(call), call), keywords=_keywords(call, ()))
    async with call.rooms.store.write() as tx:
        await _make(tx, new)
    _told(call)
    return reply(_whole(new))


async def update(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        before = _there(await stored.get(tx, call.id()))
        changed = replace(_changed(before, call), keywords=_keywords(call, before.keywords))
        await stored.change(tx, changed)
        await stored.remove_keywords(tx, {one.id for one in before.keywords} - {one.id for one in changed.keywords})
        await stored.put_keywords(tx, changed.id, changed.keywords)
    _told(call)
    return reply(_whole(changed))


async def delete(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        if not await stored.remove(tx, call.id()):
            raise NotFound("Record not found")
    _told(call)
    return reply({})


async def keywords(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply([_keyword(one) for one in _there(await stored.get(tx, call.id())).keywords])


async def add_keyword(call: Call) -> web.Response:
    said = _text(call.params.get("keyword"), "Keyword")
    new = Keyword(_mint(call), said, call.flag("whole_word", True))
    async with call.rooms.store.write() as tx:
        of = _there(await stored.get(tx, call.id()))
        if len(of.keywords) >= MOST:
            raise Invalid(f"Validation failed: Keywords are too many (maximum is {MOST})")
        await stored.put_keywords(tx, of.id, [new])
    _told(call)
    return reply(_keyword(new))


def _of(found: Filter | None, identifier: int) -> Keyword:
    return next(one for one in _there(found).keywords if one.id == identifier)


async def keyword(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply(_keyword(_of(await stored.of_keyword(tx, call.id()), call.id())))


async def change_keyword(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        of = await stored.of_keyword(tx, call.id())
        one = _of(of, call.id())
        if "keyword" in call.params:
            one = replace(one, keyword=_text(call.params["keyword"], "Keyword"))
        one = replace(one, whole_word=call.flag("whole_word", one.whole_word))
        await stored.put_keywords(tx, _there(of).id, [one])
    _told(call)
    return reply(_keyword(one))


async def remove_keyword(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        _there(await stored.of_keyword(tx, call.id()))
        await stored.remove_keywords(tx, [call.id()])
    _told(call)
    return reply({})


async def entries(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply([_entry(one) for one in _there(await stored.get(tx, call.id())).posts])


async def add_entry(call: Call) -> web.Response:
    """`status_id`: a post that this filter names."""
    async with call.rooms.store.write() as tx:
        of = _there(await stored.get(tx, call.id()))
        wanted = number(call.text("status_id"))
        post = None if wanted is None else await notes.get_by_id(tx, wanted)
        if post is None:
            raise Invalid("Validation failed: Status must exist")
        if any(one.note_id == post.id for one in of.posts):
            raise Invalid("Validation failed: Status has already been taken")
        if len(of.posts) >= MOST:
            raise Invalid(f"Validation failed: Statuses are too many (maximum is {MOST})")
        new = FilteredPost(_mint(call), post.id)
        await stored.put_post(tx, of.id, new)
    _told(call)
    return reply(_entry(new))


async def entry(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        of = _there(await stored.of_entry(tx, call.id()))
    return reply(_entry(next(one for one in of.posts if one.id == call.id())))


async def remove_entry(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        _there(await stored.of_entry(tx, call.id()))
        await stored.remove_post(tx, call.id())
    _told(call)
    return reply({})


# ── v1: each keyword is a filter of its own ──────────────────────────────────────────────────


def _phrase(of: Filter, one: Keyword) -> Json:
    return {
        "id": str(one.id),
        "phrase": one.keyword,
        "context": list(of.contexts),
        "whole_word": one.whole_word,
        "expires_at": time_or_none(of.expires_at),
        "irreversible": of.action == "hide",
    }


async def phrases(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply([_phrase(of, one) for of in await stored.everything(tx) for one in of.keywords])


async def phrase(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        of = await stored.of_keyword(tx, call.id())
    return reply(_phrase(_there(of), _of(of, call.id())))


def _phrased(call: Call, before: Filter, one: Keyword) -> tuple[Filter, Keyword]:
    """Raises Invalid."""
    said = one.keyword
    if "phrase" in call.params or not said:
        said = _text(call.params.get("phrase"), "Phrase")
    action = before.action
    if "irreversible" in call.params:
        action = "hide" if call.flag("irreversible") else "warn"
    contexts, expires_at = _contexts(call, before.contexts), _expiry(call, before.expires_at)
    return (
        replace(before, title=before.title or said, contexts=contexts, expires_at=expires_at, action=action),
        replace(one, keyword=said, whole_word=call.flag("whole_word", one.whole_word)),
    )


async def create_phrase(call: Call) -> web.Response:
    new, one = _phrased(call, _new(call), Keyword(_mint(call), "", False))
    async with call.rooms.store.write() as tx:
        await _make(tx, replace(new, keywords=(one,)))
    _told(call)
    return reply(_phrase(new, one))


async def update_phrase(call: Call) -> web.Response:
    """What a filter has several keywords of, belongs to all of them: that is changed in today's way alone."""
    async with call.rooms.store.write() as tx:
        found = await stored.of_keyword(tx, call.id())
        before, one = _there(found), _of(found, call.id())
        changed, one = _phrased(call, before, one)
        if changed != before and len(before.keywords) > 1:
            raise Invalid("Validation failed: this filter has several keywords; change it by /api/v2/filters")
        await stored.change(tx, changed)
        await stored.put_keywords(tx, changed.id, [one])
    _told(call)
    return reply(_phrase(changed, one))


async def remove_phrase(call: Call) -> web.Response:
    """The filter goes with its last phrase."""
    async with call.rooms.store.write() as tx:
        of = _there(await stored.of_keyword(tx, call.id()))
        await stored.remove_keywords(tx, [call.id()])
        if len(of.keywords) == 1 and not of.posts:
            await stored.remove(tx, of.id)
    _told(call)
    return reply({})


_READ, _WRITE = "read:filters", "write:filters"

ROUTES = (
    Route("GET", "/api/v2/filters", index, _READ),
    Route("POST", "/api/v2/filters", create, _WRITE),
    Route("GET", "/api/v2/filters/:id", show, _READ),
    Route("PUT", "/api/v2/filters/:id", update, _WRITE),
    Route("PATCH", "/api/v2/filters/:id", update, _WRITE),
    Route("DELETE", "/api/v2/filters/:id", delete, _WRITE),
    Route("GET", "/api/v2/filters/:id/keywords", keywords, _READ),
    Route("POST", "/api/v2/filters/:id/keywords", add_keyword, _WRITE),
    Route("GET", "/api/v2/filters/keywords/:id", keyword, _READ),
    Route("PUT", "/api/v2/filters/keywords/:id", change_keyword, _WRITE),
    Route("PATCH", "/api/v2/filters/keywords/:id", change_keyword, _WRITE),
    Route("DELETE", "/api/v2/filters/keywords/:id", remove_keyword, _WRITE),
    Route("GET", "/api/v2/filters/:id/statuses", entries, _READ),
    Route("POST", "/api/v2/filters/:id/statuses", add_entry, _WRITE),
    Route("GET", "/api/v2/filters/statuses/:id", entry, _READ),
    Route("DELETE", "/api/v2/filters/statuses/:id", remove_entry, _WRITE),
    Route("GET", "/api/v1/filters", phrases, _READ),
    Route("POST", "/api/v1/filters", create_phrase, _WRITE),
    Route("GET", "/api/v1/filters/:id", phrase, _READ),
    Route("PUT", "/api/v1/filters/:id", update_phrase, _WRITE),
    Route("PATCH", "/api/v1/filters/:id", update_phrase, _WRITE),
    Route("DELETE", "/api/v1/filters/:id", remove_phrase, _WRITE),
)
