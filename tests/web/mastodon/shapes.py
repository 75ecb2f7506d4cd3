"""What each entity looks like: which keys are there, of which type, and which may be null (client-api.md §6).

`check(STATUS, answer)` says in words what is wrong. Keys that are not named here are ours, or newer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any], str | None]
"""None when the value is right, else what it should be."""


def _is(kind: type, said: str) -> Check:
    return lambda value: None if isinstance(value, kind) and not (kind is int and value is True) else said


def matching(pattern: str, said: str) -> Check:
    return lambda value: None if isinstance(value, str) and re.fullmatch(pattern, value) else said


TEXT = _is(str, "text")
COUNT: Check = lambda value: None if type(value) is int and value >= 0 else "a count"  # noqa: E731
FLAG = _is(bool, "a boolean")
NUMBER: Check = lambda value: None if type(value) in (int, float) else "a number"  # noqa: E731
ID = matching(r"[1-9]\d{0,18}", "digits that fit 63 bits")
TIME = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "a time in UTC with milliseconds")
DAY = matching(r"\d{4}-\d\d-\d\d", "a day")
URL = matching(r"https?://\S+", "an address")
ADDRESS = matching(r"\S+", "an id, not empty")


def one_of(*words: str) -> Check:
    return lambda value: None if value in words else f"one of {words}"


@dataclass(frozen=True)
class Maybe:
    """May be null; the key is there."""

    inner: Any


@dataclass(frozen=True)
class Absent:
    """The key may be missing, and is right when it is there."""

    inner: Any


@dataclass(frozen=True)
class Many:
    inner: Any


def problems(shape: Any, value: Any, path: str = "") -> list[str]:
    """Everything that is wrong, each with where."""
    if isinstance(shape, Maybe):
        return [] if value is None else problems(shape.inner, value, path)
    if isinstance(shape, Absent):
        return problems(shape.inner, value, path)
    if isinstance(shape, Many):
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        return [line for place, item in enumerate(value) for line in problems(shape.inner, item, f"{path}[{place}]")]
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        found = []
        for name, inner in shape.items():
            if name not in value:
                if not isinstance(inner, Absent):
                    found.append(f"{path}.{name}: missing")
                continue
            found += problems(inner, value[name], f"{path}.{name}")
        return found
    wrong = shape(value)
    return [] if wrong is None else [f"{path}: {value!r} is not {wrong}"]


def check(shape: Any, value: Any) -> None:
    found = problems(shape, value)
    assert not found, "\n".join(found)


EMOJI = {"shortcode": TEXT, "url": URL, "static_url": URL, "visible_in_picker": FLAG}

_ACCOUNT = {
    "id": ID,
    "username": TEXT,
    "acct": ADDRESS,
    "url": URL,
    "display_name": TEXT,
    "note": TEXT,
    "avatar": URL,
    "avatar_static": URL,
    "header": URL,
    "header_static": URL,
    "created_at": TIME,
    "last_status_at": Maybe(DAY),
    "followers_count": COUNT,
    "following_count": COUNT,
    "statuses_count": COUNT,
    "locked": FLAG,
    "bot": FLAG,
    "group": FLAG,
    "discoverable": Maybe(FLAG),
    "emojis": Many(EMOJI),
    "fields": Many({"name": TEXT, "value": TEXT, "verified_at": Maybe(TIME)}),
    "suspended": Absent(FLAG),
    "limited": Absent(FLAG),
}
ACCOUNT = {**_ACCOUNT, "moved": Absent(Maybe(_ACCOUNT))}

ATTACHMENT = {
    "id": ID,
    "type": one_of("image", "video", "gifv", "audio", "unknown"),
    "url": URL,
    "preview_url": Maybe(URL),
    "remote_url": Maybe(URL),
    "meta": {
        "original": Absent({"width": Absent(COUNT), "height": Absent(COUNT), "aspect": Absent(NUMBER)}),
        "focus": Absent({"x": NUMBER, "y": NUMBER}),
    },
    "description": Maybe(TEXT),
    "blurhash": Maybe(TEXT),
}

POLL = {
    "id": ID,
    "expires_at": Maybe(TIME),
    "expired": FLAG,
    "multiple": FLAG,
    "votes_count": COUNT,
    "voters_count": Maybe(COUNT),
    "options": Many({"title": TEXT, "votes_count": Maybe(COUNT)}),
    "emojis": Many(EMOJI),
    "voted": Absent(FLAG),
    "own_votes": Absent(Many(COUNT)),
}

FILTER_RESULT = {
    "filter": {
        "id": ID,
        "title": TEXT,
        "context": Many(TEXT),
        "expires_at": Maybe(TIME),
        "filter_action": one_of("warn", "hide", "blur"),
    },
    "keyword_matches": Maybe(Many(TEXT)),
    "status_matches": Maybe(Many(TEXT)),
}

AUTHORSHIP = {
    "verdict": one_of("signed", "vouched", "changed", "refused"),
    "reason": TEXT,
    "key": Maybe(TEXT),
    "key_since": Maybe(TIME),
    "key_trust": Maybe(one_of("first_use", "compared", "continuity")),
    "signed_at": Maybe(TIME),
    "proof_url": URL,
}
"""decisions.md §16"""

_STATUS = {
    "id": ID,
    "uri": ADDRESS,
    "url": Maybe(URL),
    "created_at": TIME,
    "edited_at": Maybe(TIME),
    "account": ACCOUNT,
    "content": TEXT,
    "visibility": one_of("public", "unlisted", "private", "direct"),
    "sensitive": FLAG,
    "spoiler_text": TEXT,
    "media_attachments": Many(ATTACHMENT),
    "mentions": Many({"id": ID, "username": TEXT, "acct": ADDRESS, "url": URL}),
    "tags": Many({"name": TEXT, "url": URL}),
    "emojis": Many(EMOJI),
    "reblogs_count": COUNT,
    "favourites_count": COUNT,
    "replies_count": COUNT,
    "in_reply_to_id": Maybe(ID),
    "in_reply_to_account_id": Maybe(ID),
    "poll": Maybe(POLL),
    "card": Maybe({"url": URL, "title": TEXT, "description": TEXT, "type": TEXT}),
    "language": Maybe(TEXT),
    "application": Maybe({"name": TEXT, "website": Maybe(URL)}),
    "quote_approval": {
        "automatic": Many(one_of("public", "followers", "following", "unsupported_policy")),
        "manual": Many(one_of("public", "followers", "following", "unsupported_policy")),
        "current_user": one_of("automatic", "manual", "denied", "unknown"),
    },
    "cuicui": AUTHORSHIP,
}
_ASKED_BY_OWNER = {
    "favourited": FLAG,
    "reblogged": FLAG,
    "muted": FLAG,
    "bookmarked": FLAG,
    "filtered": Many(FILTER_RESULT),
    "pinned": Absent(FLAG),
}
OPEN_STATUS = {**_STATUS, "reblog": Maybe(_STATUS)}
"""As anybody sees it."""

STATUS = {**_STATUS, **_ASKED_BY_OWNER, "reblog": Maybe({**_STATUS, **_ASKED_BY_OWNER})}
"""As the owner sees it."""

SCHEDULED_STATUS = {
    "id": ID,
    "scheduled_at": TIME,
    "params": {
        "text": TEXT,
        "poll": Maybe({"options": Many(TEXT), "expires_in": COUNT, "multiple": FLAG}),
        "media_ids": Maybe(Many(ID)),
        "sensitive": Maybe(FLAG),
        "spoiler_text": Maybe(TEXT),
        "visibility": Maybe(one_of("public", "unlisted", "private", "direct")),
        "in_reply_to_id": Maybe(ID),
        "scheduled_at": Maybe(TIME),
    },
    "media_attachments": Many(ATTACHMENT),
}

STATUS_EDIT = {
    "content": TEXT,
    "spoiler_text": TEXT,
    "sensitive": FLAG,
    "created_at": TIME,
    "account": ACCOUNT,
    "media_attachments": Many(ATTACHMENT),
    "emojis": Many(EMOJI),
    "cuicui": AUTHORSHIP,
}

CREDENTIAL_ACCOUNT = {
    **ACCOUNT,
    "source": {
        "note": TEXT,
        "fields": Many({"name": TEXT, "value": TEXT}),
        "privacy": one_of("public", "unlisted", "private", "direct"),
        "sensitive": FLAG,
        "language": Maybe(TEXT),
        "follow_requests_count": COUNT,
    },
}

_FLAGS = (
    *("following", "followed_by", "blocking", "blocked_by", "muting", "muting_notifications", "requested"),
    *("requested_by", "showing_reblogs", "domain_blocking", "notifying", "endorsed"),
)
RELATIONSHIP = {
    "id": ID,
    **dict.fromkeys(_FLAGS, FLAG),
    "languages": Maybe(Many(TEXT)),
    "note": TEXT,
}

NOTIFICATION = {"id": ID, "type": TEXT, "created_at": TIME, "account": ACCOUNT, "status": Absent(Maybe(STATUS))}
