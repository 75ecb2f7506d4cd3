"""Lists of people: make, change, fill them; what they show is a timeline (timelines.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from node.errors import NotFound
from node.model import Iri
from node.storage import actors, listings
from node.storage import lists as stored
from node.storage.dialect import Tx
from node.storage.lists import PeopleList
from node.web.mastodon import gather, people
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Invalid
from node.web.mastodon.forms import Form
from node.web.mastodon.parts import Json
from node.web.mastodon.reply import links, reply
from node.web.mastodon.route import Route

LONGEST = 256
MOST = 200
"""Lists; and so many accounts go into one at a time."""


def _shown(one: PeopleList) -> Json:
    return {
        "id": str(one.id),
        "title": one.title,
        "replies_policy": one.replies_policy,
        "exclusive": one.exclusive,
    }


async def _found(tx: Tx, call: Call) -> PeopleList:
    found = await stored.get(tx, call.id())
    if found is None:
        raise NotFound("Record not found")
    return found


class Wanted(Form):
    title: str | None = None
    replies_policy: str | None = None
    exclusive: bool | None = None


def _changed(before: PeopleList, call: Call) -> PeopleList:
    """Raises Invalid."""
    form = call.form(Wanted)
    given: dict[str, Any] = {}
    if form.title is not None or not before.title:
        given["title"] = (form.title or "").strip()
        if not given["title"]:
            raise Invalid("Validation failed: Title can't be blank")
        if len(given["title"]) > LONGEST:
            raise Invalid(f"Validation failed: Title is too long (maximum is {LONGEST} characters)")
    if form.replies_policy:
        if form.replies_policy not in stored.POLICIES:
            raise Invalid("Validation failed: Replies policy is not included in the list")
        given["replies_policy"] = form.replies_policy
    if form.exclusive is not None:
        given["exclusive"] = form.exclusive
    return replace(before, **given)


async def index(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply([_shown(one) for one in await stored.everything(tx)])


async def show(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        return reply(_shown(await _found(tx, call)))


async def create(call: Call) -> web.Response:
    new = _changed(PeopleList(call.rooms.snowflake.mint(call.rooms.clock()), ""), call)
    async with call.rooms.store.write() as tx:
        if len(await stored.everything(tx)) >= MOST:
            raise Invalid(f"Validation failed: there are {MOST} lists already")
        await stored.add(tx, new)
    return reply(_shown(new))


async def update(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        changed = _changed(await _found(tx, call), call)
        await stored.change(tx, changed)
    return reply(_shown(changed))


async def delete(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        if not await stored.remove(tx, call.id()):
            raise NotFound("Record not found")
    return reply({})


# ── members ──────────────────────────────────────────────────────────────────────────────────


async def members(call: Call) -> web.Response:
    """A page of them; with `limit=0` all."""
    window = None if call.text("limit") == "0" else call.window(40, 80)
    async with call.rooms.store.read() as tx:
        numbers = await listings.members(tx, (await _found(tx, call)).id, window)
        known = await actors.by_ids(tx, numbers)
        faces = [known[number] for number in numbers if number in known]
        shown = await gather.accounts(tx, call.rooms, faces, is_owner=True)
    return reply(shown, headers={} if window is None else links(call, numbers, window.limit))


async def _named(tx: Tx, call: Call) -> list[Iri]:
    """Raises NotFound if one of them is nobody we have met."""
    return [(await people.by_number(tx, number)).actor.iri for number in call.ids("account_ids", MOST)]


async def add(call: Call) -> web.Response:
    """Only those whom the owner follows: nothing of others comes home."""
    async with call.rooms.store.write() as tx:
        named, one = await _named(tx, call), await _found(tx, call)
        if set(named) - await stored.followed_among(tx, named):
            raise NotFound("Record not found", hint="follow the account first")
        await stored.put(tx, one.id, named)
    return reply({})


async def remove(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        one = await _found(tx, call)
        await stored.take(tx, one.id, await _named(tx, call))
    return reply({})


async def having(call: Call) -> web.Response:
    """The lists that an account is in."""
    async with call.rooms.store.read() as tx:
        known = await people.by_number(tx, call.id())
        return reply([_shown(one) for one in await stored.having(tx, known.actor.iri)])


ROUTES = (
    Route("GET", "/api/v1/lists", index, "read:lists"),
    Route("POST", "/api/v1/lists", create, "write:lists"),
    Route("GET", "/api/v1/lists/:id", show, "read:lists"),
    Route("PUT", "/api/v1/lists/:id", update, "write:lists"),
    Route("PATCH", "/api/v1/lists/:id", update, "write:lists"),
    Route("DELETE", "/api/v1/lists/:id", delete, "write:lists"),
    Route("GET", "/api/v1/lists/:id/accounts", members, "read:lists"),
    Route("POST", "/api/v1/lists/:id/accounts", add, "write:lists"),
    Route("DELETE", "/api/v1/lists/:id/accounts", remove, "write:lists"),
    Route("GET", "/api/v1/accounts/:id/lists", having, "read:lists"),
)
