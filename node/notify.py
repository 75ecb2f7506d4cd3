"""What deserves a notification, and what of it is sent to a phone (pure).

The kinds are spelled as Mastodon spells its notification types, so that an app needs no translation;
`reaction` (an emoji) is the one that Mastodon has not: apps are shown it as a favourite.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from enum import StrEnum

from node.model import Note, ReactionKind


class Kind(StrEnum):
    """Why the owner is told."""

    MENTION = "mention"
    STATUS = "status"
    """A post by somebody whose posts the owner asked to be told of."""
    REBLOG = "reblog"
    FAVOURITE = "favourite"
    REACTION = "reaction"
    FOLLOW = "follow"
    FOLLOW_REQUEST = "follow_request"
    POLL = "poll"
    """A poll of the owner's, or one the owner voted in, has ended."""
    UPDATE = "update"
    """A post that the owner boosted was edited."""
    QUOTE = "quote"
    QUOTED_UPDATE = "quoted_update"
    """A post that the owner quotes was edited."""

    @property
    def shown(self) -> str:
        """The type that apps are told: one that all of them know how to show."""
        return Kind.FAVOURITE.value if self is Kind.REACTION else self.value


_OF_REACTION = {
    ReactionKind.LIKE: Kind.FAVOURITE,
    ReactionKind.BOOST: Kind.REBLOG,
    ReactionKind.EMOJI: Kind.REACTION,
}


def of_reaction(kind: ReactionKind) -> Kind:
    return _OF_REACTION[kind]


def kinds_shown_as(names: frozenset[str]) -> frozenset[Kind]:
    """Ours that an app asks for by these type names; unknown names mean nothing."""
    return frozenset(kind for kind in Kind if kind.shown in names or kind.value in names)


# ── push ─────────────────────────────────────────────────────────────────────────────────────

POLICIES = ("all", "followed", "follower", "none")
"""From whom a subscription wants to hear: anybody, whom the owner follows, who follows the owner, nobody."""

ALERTS = tuple(dict.fromkeys(kind.shown for kind in Kind))


def is_wanted(alerts: Mapping[str, bool], policy: str, kind: Kind, *, followed: bool, follower: bool) -> bool:
    """Whether a push subscription asked for this. What it does not name it did not ask for."""
    if not alerts.get(kind.shown, False):
        return False
    match policy:
        case "all":
            return True
        case "followed":
            return followed
        case "follower":
            return follower
        case _:
            return False


_TITLES = {
    Kind.MENTION: "{} mentioned you",
    Kind.STATUS: "{} posted",
    Kind.REBLOG: "{} boosted your post",
    Kind.FAVOURITE: "{} favourited your post",
    Kind.REACTION: "{} reacted to your post",
    Kind.FOLLOW: "{} follows you",
    Kind.FOLLOW_REQUEST: "{} asks to follow you",
    Kind.POLL: "A poll by {} has ended",
    Kind.UPDATE: "{} edited a post you boosted",
    Kind.QUOTE: "{} quoted your post",
    Kind.QUOTED_UPDATE: "{} edited a post you quoted",
}

BODY = 140
"""Characters of a post that are sent along; the app fetches the rest."""


def title(kind: Kind, name: str) -> str:
    return _TITLES[kind].format(name[:60])


def body(note: Note | None) -> str:
    """The beginning of a post as plain text; behind a content warning, the warning alone."""
    if note is None:
        return ""
    if note.summary:
        return note.summary[:BODY]
    spaced = re.sub(r"<br\s*/?>|</p>\s*<p[^>]*>", " ", note.content)
    words = html.unescape(re.sub(r"<[^>]*>", "", spaced)).split()
    text = " ".join(words)
    return text if len(text) <= BODY else text[: BODY - 1] + "…"
