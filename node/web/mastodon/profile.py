"""The owner's own profile: read with what is needed to edit it, and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from node.model import Preferences
from node.storage import actors, relations
from node.web.mastodon import entities, gather
from node.web.mastodon.call import Call
from node.web.mastodon.entities import Json
from node.web.mastodon.errors import Invalid
from node.web.mastodon.forms import Form
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route

LONGEST_NAME = 100
LONGEST_NOTE = 1000
MOST_FIELDS = 4

_OURS = {theirs: ours for ours, theirs in entities.VISIBILITY.items()}


async def _own(call: Call) -> Json:
    rooms = call.rooms
    profile = await rooms.profile()
    async with rooms.store.read() as tx:
        known = await actors.get(tx, rooms.ids.actor)
        assert known is not None
        (shown,) = await gather.accounts(tx, rooms, [known.actor], is_owner=True)
        waiting = len(await relations.list_followers(tx, relations.State.PENDING))
    chosen = profile.preferences
    shown["source"] = {
        "note": profile.summary,
        "fields": [
            {"name": field.name, "value": field.value, "verified_at": entities.time_or_none(field.verified_at)}
            for field in profile.fields
        ],
        "privacy": entities.VISIBILITY[chosen.visibility],
        "sensitive": chosen.sensitive,
        "language": chosen.language,
        "follow_requests_count": waiting,
        "hide_collections": profile.hides_collections,
        "discoverable": profile.discoverable,
        "indexable": profile.indexable,
        "quote_policy": rooms.settings.quotes,
        "attribution_domains": [],
    }
    shown["role"] = {"id": "-99", "name": "", "permissions": "0", "color": "", "highlighted": False}
    return shown


async def verify(call: Call) -> web.Response:
    """Who the token speaks for."""
    return reply(await _own(call))


class Changes(Form):
    """What may be changed; what is not there stays."""

    display_name: str | None = None
    note: str | None = None
    locked: bool | None = None
    bot: bool | None = None
    discoverable: bool | None = None
    indexable: bool | None = None
    hide_collections: bool | None = None
    fields_attributes: Any = None
    source: dict[str, Any] | None = None


def _rows(given: Any) -> list[tuple[str, str]] | None:
    """Profile fields: a list, or a map from number to field; empty ones fall out. Raises Invalid."""
    if given is None:
        return None
    rows = list(given.values()) if isinstance(given, Mapping) else given
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows) or len(rows) > 100:
        raise Invalid("Validation failed: Fields attributes is invalid")
    pairs = [(str(row.get("name", "")).strip(), str(row.get("value", "")).strip()) for row in rows]
    kept = [pair for pair in pairs if any(pair)]
    if len(kept) > MOST_FIELDS:
        raise Invalid(f"Validation failed: Fields are too many (maximum is {MOST_FIELDS})")
    return kept


def _preferences(before: Preferences, source: Mapping[str, Any]) -> Preferences:
    found = before
    if (privacy := source.get("privacy")) not in (None, ""):
        if not isinstance(privacy, str) or privacy not in _OURS:
            raise Invalid("Validation failed: Privacy is not included in the list")
        found = replace(found, visibility=_OURS[privacy])
    if "sensitive" in source:
        found = replace(found, sensitive=str(source["sensitive"]).lower() in ("true", "1", "on"))
    if "language" in source:
        language = source["language"]
        if language not in (None, "") and not (isinstance(language, str) and len(language) <= 20):
            raise Invalid("Validation failed: Language is invalid")
        found = replace(found, language=str(language) if language else None)
    return found


async def update(call: Call) -> web.Response:
    """PATCH update_credentials: text, switches, fields, pictures, and how new posts are."""
    form, rooms = call.form(Changes), call.rooms
    if form.display_name is not None and len(form.display_name) > LONGEST_NAME:
        raise Invalid(f"Validation failed: Display name is too long (maximum is {LONGEST_NAME} characters)")
    if form.note is not None and len(form.note) > LONGEST_NOTE:
        raise Invalid(f"Validation failed: Note is too long (maximum is {LONGEST_NOTE} characters)")
    fields = _rows(form.fields_attributes)
    preferences = None
    if form.source is not None:
        preferences = _preferences((await rooms.profile()).preferences, form.source)
    pictures: dict[str, str] = {}
    for name in ("avatar", "header"):
        file = call.file(name)
        if file is not None and file.size:
            pictures[name] = (await rooms.media.upload(file.chunks(), purpose=name)).file
    await rooms.owner.change_profile(
        name=form.display_name,
        summary=form.note,
        approves_followers=form.locked,
        bot=form.bot,
        discoverable=form.discoverable,
        indexable=form.indexable,
        hides_collections=form.hide_collections,
        fields=fields,
        preferences=preferences,
        avatar=pictures.get("avatar"),
        header=pictures.get("header"),
    )
    return reply(await _own(call))


async def no_avatar(call: Call) -> web.Response:
    await call.rooms.owner.change_profile(avatar="")
    return reply(await _own(call))


async def no_header(call: Call) -> web.Response:
    await call.rooms.owner.change_profile(header="")
    return reply(await _own(call))


# ── preferences ──────────────────────────────────────────────────────────────────────────────


async def preferences(call: Call) -> web.Response:
    """How new posts are, in Mastodon's words."""
    chosen = (await call.rooms.profile()).preferences
    return reply(
        {
            "posting:default:visibility": entities.VISIBILITY[chosen.visibility],
            "posting:default:sensitive": chosen.sensitive,
            "posting:default:language": chosen.language,
            "posting:default:quote_policy": call.rooms.settings.quotes,
            "reading:expand:media": "default",
            "reading:expand:spoilers": False,
            "reading:autoplay:gifs": False,
        }
    )


async def our_preferences(call: Call) -> web.Response:
    """What only this node has: whether verdicts also show as filters and fields, in apps that know none."""
    return reply({"synthetic": (await call.rooms.profile()).preferences.synthetic})


async def set_our_preferences(call: Call) -> web.Response:
    if "synthetic" in call.params:
        chosen = replace((await call.rooms.profile()).preferences, synthetic=call.flag("synthetic"))
        await call.rooms.owner.change_profile(preferences=chosen)
    return await our_preferences(call)


ROUTES = (
    Route("GET", "/api/v1/accounts/verify_credentials", verify, "read:accounts"),
    Route("PATCH", "/api/v1/accounts/update_credentials", update, "write:accounts", files=True),
    Route("DELETE", "/api/v1/profile/avatar", no_avatar, "write:accounts"),
    Route("DELETE", "/api/v1/profile/header", no_header, "write:accounts"),
    Route("GET", "/api/v1/preferences", preferences, "read:accounts"),
    Route("GET", "/api/cuicui/v1/preferences", our_preferences, "read:accounts"),
    Route("PATCH", "/api/cuicui/v1/preferences", set_our_preferences, "write:accounts"),
)
