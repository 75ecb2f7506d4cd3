"""Statuses: write one, read one."""

from __future__ import annotations

from aiohttp import web

from node.errors import NotFound
from node.model import Draft, Iri, Visibility
from node.storage import notes
from node.web.mastodon import entities, gather
from node.web.mastodon.call import Call, number
from node.web.mastodon.errors import Invalid
from node.web.mastodon.forms import Form
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route

_OURS = {theirs: ours for ours, theirs in entities.VISIBILITY.items()}


class NewStatus(Form):
    status: str = ""
    in_reply_to_id: str | None = None
    spoiler_text: str = ""
    visibility: str | None = None
    language: str | None = None


async def create(call: Call) -> web.Response:
    form, rooms = call.form(NewStatus), call.rooms
    if form.visibility and form.visibility not in _OURS:
        raise Invalid("Validation failed: Visibility is not included in the list")
    parent: Iri | None = None
    if form.in_reply_to_id:
        wanted = number(form.in_reply_to_id)
        async with rooms.store.read() as tx:
            found = None if wanted is None else await notes.get_by_id(tx, wanted)
        if found is None:
            raise NotFound("the post that this answers is not here")
        parent = found.note.iri
    posted = await rooms.owner.post(
        Draft(
            form.status,
            visibility=_OURS[form.visibility] if form.visibility else Visibility.PUBLIC,
            in_reply_to=parent,
            warning=form.spoiler_text,
            language=form.language or None,
        )
    )
    async with rooms.store.read() as tx:
        return reply(await gather.status(tx, rooms, posted.post, is_owner=True))


async def show(call: Call) -> web.Response:
    """Anybody may read what is open; the rest is the owner's."""
    async with call.rooms.store.read() as tx:
        post = await notes.get_by_id(tx, call.id())
        if post is None or not (call.is_owner or (post.own and post.visibility.is_open)):
            raise NotFound("Record not found")
        return reply(await gather.status(tx, call.rooms, post, is_owner=call.is_owner))


ROUTES = (
    Route("POST", "/api/v1/statuses", create, "write:statuses"),
    Route("GET", "/api/v1/statuses/:id", show, "read:statuses", anonymous=True),
)
