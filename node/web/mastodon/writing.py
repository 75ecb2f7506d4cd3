"""Write a status, now or later; write it anew."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from pydantic import field_validator

from node.errors import NotAllowed, NotFound
from node.media.library import Description
from node.model import Draft, Iri, Poll, PollDraft, Post, QuotePolicy, Visibility
from node.storage import timelines
from node.storage.scheduled import Scheduled
from node.web.mastodon import entities, gather, parts
from node.web.mastodon.call import Call, number
from node.web.mastodon.entities import Json
from node.web.mastodon.errors import Invalid
from node.web.mastodon.forms import Form
from node.web.mastodon.media import focus_of, uploads
from node.web.mastodon.reply import Fragment, links, reply
from node.web.mastodon.route import Route
from node.web.mastodon.statuses import found, shown

_OURS = {theirs: ours for ours, theirs in entities.VISIBILITY.items()}
_QUOTES = {"public": QuotePolicy.PUBLIC, "followers": QuotePolicy.FOLLOWERS, "nobody": QuotePolicy.NOBODY}

MOST_MEDIA = 4
LONGEST_KEY = 1000


class NewPoll(Form):
    options: tuple[str, ...] = ()
    expires_in: int = 86_400
    multiple: bool = False
    hide_totals: bool = False

    @field_validator("options", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        return in_order(value)


class NewStatus(Form):
    status: str = ""
    in_reply_to_id: str | None = None
    media_ids: tuple[str, ...] = ()
    poll: NewPoll | None = None
    sensitive: bool = False
    spoiler_text: str = ""
    visibility: str | None = None
    language: str | None = None
    scheduled_at: datetime | None = None
    quoted_status_id: str | None = None
    quote_approval_policy: str | None = None

    @field_validator("media_ids", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        return in_order(value)

    @field_validator("language", "in_reply_to_id", "quoted_status_id", "quote_approval_policy", "visibility")
    @classmethod
    def _nothing(cls, value: str | None) -> str | None:
        return value or None


def in_order(value: Any) -> Any:
    """A list as forms write it: `a[]=`, `a[0]=`, or one alone."""
    if isinstance(value, dict):
        return [value[name] for name in sorted(value, key=lambda name: (len(name), name))]
    return [value] if isinstance(value, str | int) else value


class Described(Form):
    id: str
    description: str | None = None
    focus: str | None = None


class Edited(Form):
    status: str | None = None
    spoiler_text: str | None = None
    sensitive: bool | None = None
    language: str | None = None
    media_ids: tuple[str, ...] | None = None
    media_attributes: tuple[Described, ...] = ()
    poll: NewPoll | None = None

    @field_validator("media_ids", "media_attributes", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        return in_order(value)


async def create(call: Call) -> web.Response:
    """Publish a status, or keep it for later. An Idempotency-Key makes one of however many requests."""
    draft, form = await _draft(call)
    now = call.rooms.clock()
    at = form.scheduled_at
    if at is not None:
        at = _utc(at)
        if at > now:
            waiting = await call.rooms.schedule.plan(draft, at)
            return reply(await _scheduled(call, waiting))
    answer: list[Fragment] = []

    async def answered(post: Post) -> None:
        answer.append(await shown(call, post))

    posted = await call.rooms.owner.post(draft, first=answered)
    return reply(answer[0] if answer else await shown(call, posted.post))


async def _draft(call: Call) -> tuple[Draft, NewStatus]:
    form, rooms = call.form(NewStatus), call.rooms
    if form.visibility and form.visibility not in _OURS:
        raise Invalid("Validation failed: Visibility is not included in the list")
    if form.quote_approval_policy and form.quote_approval_policy not in _QUOTES:
        raise Invalid("Validation failed: Quote approval policy is not included in the list")
    words, warning = form.status, form.spoiler_text
    if not words.strip() and not form.media_ids:
        words, warning = warning, ""  # a warning with nothing behind it is what is said, as in Mastodon
        if not words.strip():
            raise Invalid("Validation failed: Text can't be blank")
    preferences = (await rooms.profile()).preferences
    parent = await _named(call, form.in_reply_to_id, "you are trying to reply to")
    # An answer to what few may read is not for everybody, nor for more than is usual, unless its author says so.
    default = preferences.visibility
    if parent is not None and not parent.visibility.is_open:
        default = max(default, parent.visibility, key=list(Visibility).index)
    quoted = await _named(call, form.quoted_status_id, "you are trying to quote")
    poll = None
    if form.poll is not None and form.poll.options:
        lasts = timedelta(seconds=max(0, min(form.poll.expires_in, 10**9)))
        poll = PollDraft(tuple(form.poll.options), form.poll.multiple, lasts)
    draft = Draft(
        words,
        visibility=_OURS[form.visibility] if form.visibility else default,
        in_reply_to=parent.note.iri if parent is not None else None,
        warning=warning,
        language=_language(form.language),
        poll=poll,
        quote=quoted.note.iri if quoted is not None else None,
        quote_policy=_QUOTES[form.quote_approval_policy] if form.quote_approval_policy else None,
        sensitive=form.sensitive or ("sensitive" not in form.model_fields_set and preferences.sensitive),
        once=_word(call),
        media=_media(form.media_ids),
    )
    return draft, form


def _utc(at: datetime) -> datetime:
    """Raises Invalid for a moment that is in no year of ours, elsewhere."""
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise Invalid("Validation failed: Scheduled at is not a time") from None


def _media(written: Sequence[str]) -> tuple[int, ...]:
    """Raises Invalid for what is no number, and for too many."""
    found = [number(one) for one in written]
    if len(found) > MOST_MEDIA:
        raise Invalid(f"Validation failed: Cannot attach more than {MOST_MEDIA} files")
    if None in found:
        raise Invalid("Validation failed: Media not found")
    return tuple(dict.fromkeys(one for one in found if one is not None))


async def _named(call: Call, written: str | None, what: str) -> Post | None:
    """The post with this number. Raises NotFound."""
    if written is None:
        return None
    wanted = number(written)
    async with call.rooms.store.read() as tx:
        post = None if wanted is None else await gather.find(tx, wanted, is_owner=True)
    if post is None:
        raise NotFound(f"The status {what} does not appear to exist.")
    return post


def _language(written: str | None) -> str | None:
    """BCP 47, as far as its letters go. Raises Invalid."""
    if written is None:
        return None
    if not (written.isascii() and written.replace("-", "").isalnum() and len(written) <= 35):
        raise Invalid("Validation failed: Language is not a language code")
    return written


def _word(call: Call) -> str | None:
    """What a repeated request is known by: its token, and the key that its app made up."""
    key = call.request.headers.get("Idempotency-Key", "")[:LONGEST_KEY]
    if not key:
        return None
    return hashlib.sha256(f"{call.the_token().hash}:{key}".encode("utf-8", "surrogatepass")).hexdigest()


async def edit(call: Call) -> web.Response:
    """A new version in the place of the old one; the same words change nothing."""
    post, form = await found(call), call.form(Edited)
    if not post.own or post.boosted_by is not None:
        raise NotFound("Record not found")
    if form.poll is not None and form.poll.options and not _same_poll(form.poll, post.note.poll):
        raise Invalid("Validation failed: Poll stays as it was asked: delete the status, and ask anew")
    words = post.note.source or "" if form.status is None else form.status
    media = None if form.media_ids is None else _media(form.media_ids)
    if not words.strip() and not (post.note.attachments if media is None else media):
        raise Invalid("Validation failed: Text can't be blank")
    described = {
        identifier: Description(one.description, focus_of(one.focus or ""))
        for one in form.media_attributes
        if (identifier := number(one.id)) is not None
    }
    try:
        posted = await call.rooms.owner.edit(
            post.note.iri,
            words,
            form.spoiler_text,
            sensitive=form.sensitive,
            language=_language(form.language or None),
            media=media,
            described=described,
        )
    except NotAllowed as error:
        if error.code != "unchanged":
            raise
        return reply(await shown(call, post))
    return reply(await shown(call, posted.post))


def _same_poll(wanted: NewPoll, asked: Poll | None) -> bool:
    names = tuple(name.strip() for name in wanted.options if name.strip())  # some apps send an empty one at the end
    return asked is not None and (names, wanted.multiple) == (
        tuple(choice.name for choice in asked.choices),
        asked.multiple,
    )


# ── later ────────────────────────────────────────────────────────────────────────────────────


async def _scheduled(call: Call, waiting: Scheduled) -> Json:
    kept, poll = waiting.params, waiting.params["poll"]
    async with call.rooms.store.read() as tx:
        named = await timelines.parents_of(tx, {Iri(kept[name]) for name in ("in_reply_to", "quote") if kept[name]})
    numbers = {iri: str(pair[0]) for iri, pair in named.items()}
    return {
        "id": str(waiting.id),
        "scheduled_at": parts.time(waiting.at),
        "params": {
            "text": kept["text"],
            "poll": None
            if poll is None
            else {
                "options": poll["choices"],
                "multiple": poll["multiple"],
                "expires_in": poll["seconds"],
                "hide_totals": False,
            },
            "media_ids": kept["media_ids"] or None,
            "sensitive": kept["sensitive"],
            "spoiler_text": kept["warning"] or None,
            "visibility": entities.VISIBILITY[Visibility(kept["visibility"])],
            "language": kept["language"],
            "in_reply_to_id": numbers.get(kept["in_reply_to"]),
            "quoted_status_id": numbers.get(kept["quote"]),
            "scheduled_at": None,
            "idempotency": None,
            "with_rate_limit": False,
            "application_id": None,
        },
        "media_attachments": await uploads(call.rooms, [int(one) for one in kept["media_ids"]]),
        "cuicui": {"problem": waiting.problem},
    }


async def scheduled_list(call: Call) -> web.Response:
    window = call.window()
    waiting = await call.rooms.schedule.listed(window)
    shown = [await _scheduled(call, one) for one in waiting]
    return reply(shown, headers=links(call, [one.id for one in waiting], window.limit))


async def scheduled_one(call: Call) -> web.Response:
    return reply(await _scheduled(call, await call.rooms.schedule.get(call.id())))


async def reschedule(call: Call) -> web.Response:
    written = call.text("scheduled_at")
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise Invalid("Validation failed: Scheduled at is not a date") from None
    at = _utc(at)
    return reply(await _scheduled(call, await call.rooms.schedule.move(call.id(), at)))


async def unschedule(call: Call) -> web.Response:
    await call.rooms.schedule.cancel(call.id())
    return reply({})


ROUTES = (
    Route("POST", "/api/v1/statuses", create, "write:statuses"),
    Route("PUT", "/api/v1/statuses/:id", edit, "write:statuses"),
    Route("GET", "/api/v1/scheduled_statuses", scheduled_list, "read:statuses"),
    Route("GET", "/api/v1/scheduled_statuses/:id", scheduled_one, "read:statuses"),
    Route("PUT", "/api/v1/scheduled_statuses/:id", reschedule, "write:statuses"),
    Route("DELETE", "/api/v1/scheduled_statuses/:id", unschedule, "write:statuses"),
)
