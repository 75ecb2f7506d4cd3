"""How our types look to an app: Account, Status and the rest of client-api.md §6. Pure: values in, JSON types out.

Every field that some client cannot do without is there, never null where it must not be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from node import text
from node.ids import Ids
from node.model import Actor, Attachment, Authorship, Counts, Iri, Post, Profile, Visibility

Json = dict[str, Any]

VISIBILITY = {
    Visibility.PUBLIC: "public",
    Visibility.UNLISTED: "unlisted",
    Visibility.FOLLOWERS: "private",
    Visibility.DIRECT: "direct",
}
"""Ours → Mastodon's."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time(when: datetime) -> str:
    """ISO 8601, UTC, with milliseconds and Z: the one form that every client reads."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"


def time_or_none(when: datetime | None) -> str | None:
    return None if when is None else time(when)


def day(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is counted of an account, as far as this node has seen."""

    followers: int = 0
    following: int = 0
    posts: int = 0
    last_post: datetime | None = None


@dataclass(frozen=True)
class Beside:
    """What stands beside posts in an answer, gathered once for all of them (gather.py).

    `pictures` are our addresses of other people's pictures; what is missing there has the default.
    """

    ids: Ids
    accounts: dict[Iri, int] = field(default_factory=dict)
    """Numbers of the accounts that are named."""
    numbers: dict[Iri, Numbers] = field(default_factory=dict)
    counts: dict[Iri, Counts] = field(default_factory=dict)
    parents: dict[Iri, tuple[int, int]] = field(default_factory=dict)
    """Of answered posts: their number, and their author's."""
    favourited: frozenset[Iri] = frozenset()
    boosted: frozenset[Iri] = frozenset()
    bookmarked: frozenset[int] = frozenset()
    pinned: frozenset[Iri] = frozenset()
    pictures: dict[str, str] = field(default_factory=dict)
    profile: Profile | None = None

    @property
    def avatar(self) -> str:
        return f"{self.ids.base}/static/avatar.png"

    @property
    def header(self) -> str:
        return f"{self.ids.base}/static/header.png"


# ── accounts ─────────────────────────────────────────────────────────────────────────────────


def acct(actor: Actor, ids: Ids) -> str:
    """`name` for the owner, `name@host` for everybody else."""
    return ids.handle if actor.iri == ids.actor else actor.handle.removeprefix("@")


def account(actor: Actor, beside: Beside) -> Json:
    ids = beside.ids
    numbers = beside.numbers.get(actor.iri, Numbers())
    avatar = beside.pictures.get(actor.icon or "", beside.avatar)
    header = beside.pictures.get(actor.image or "", beside.header)
    own = actor.iri == ids.actor
    return {
        "id": str(beside.accounts.get(actor.iri, 0)),
        "username": actor.username,
        "acct": acct(actor, ids),
        "display_name": actor.name or actor.username,
        "locked": actor.locked,
        "bot": actor.bot,
        "discoverable": actor.discoverable,
        "group": actor.type == "Group",
        "created_at": time(actor.published or EPOCH),
        "note": text.sanitise(actor.summary),
        "url": ids.profile_page if own else (actor.url or actor.iri),
        "uri": actor.iri,
        "avatar": avatar,
        "avatar_static": avatar,
        "header": header,
        "header_static": header,
        "followers_count": numbers.followers,
        "following_count": numbers.following,
        "statuses_count": numbers.posts,
        "last_status_at": day(numbers.last_post),
        "emojis": [],
        "fields": [{"name": row.name, "value": text.sanitise(row.value), "verified_at": None} for row in actor.fields],
    }


def credential_account(actor: Actor, profile: Profile, beside: Beside, requests: int) -> Json:
    """The owner's own Account, with what is needed to edit it."""
    return account(actor, beside) | {
        "source": {
            "note": profile.summary,
            "fields": [],
            "privacy": "public",
            "sensitive": False,
            "language": None,
            "follow_requests_count": requests,
        },
        "role": {"id": "-99", "name": "", "permissions": "0", "color": "", "highlighted": False},
    }


# ── statuses ─────────────────────────────────────────────────────────────────────────────────


def authorship(said: Authorship, proof_url: str) -> Json:
    """Who wrote it and how we know (decisions.md §16)."""
    return {
        "verdict": said.verdict.value,
        "reason": said.reason,
        "key": said.key,
        "key_since": time_or_none(said.key_since),
        "key_trust": said.key_trust.value if said.key_trust else None,
        "signed_at": time_or_none(said.signed_at),
        "proof_url": proof_url,
    }


def attachment(number: int, item: Attachment, beside: Beside) -> Json:
    kind = item.media_type.partition("/")[0]
    address = beside.pictures.get(item.url, item.url)
    original = {}
    if item.width and item.height:
        aspect = round(item.width / item.height, 4)
        original = {
            "original": {
                "width": item.width,
                "height": item.height,
                "size": f"{item.width}x{item.height}",
                "aspect": aspect,
            }
        }
    x, y = item.focus or (0.0, 0.0)
    return {
        "id": str(number),
        "type": kind if kind in ("image", "video", "audio") else "unknown",
        "url": address,
        "preview_url": address,
        "remote_url": None if address == item.url else item.url,
        "text_url": None,
        "meta": {**original, "focus": {"x": x, "y": y}},
        "description": item.alt or None,
        "blurhash": item.blurhash,
    }


def status(post: Post, beside: Beside, *, is_owner: bool) -> Json:
    """A post as an app sees it. `is_owner`: with what the owner did to it."""
    ids, note = beside.ids, post.note
    counts = beside.counts.get(note.iri, Counts())
    parent = beside.parents.get(note.in_reply_to) if note.in_reply_to else None
    found: Json = {
        "id": str(post.id),
        "uri": note.iri,
        "url": ids.note_page(post.id) if post.own else (note.url or note.iri),
        "created_at": time(note.published or post.received_at),
        "edited_at": time_or_none(note.updated),
        "in_reply_to_id": str(parent[0]) if parent else None,
        "in_reply_to_account_id": str(parent[1]) if parent else None,
        "account": account(post.author, beside),
        "content": text.sanitise(note.content),
        "spoiler_text": note.summary,
        "visibility": VISIBILITY[post.visibility],
        "sensitive": note.sensitive or bool(note.summary),
        "language": note.language,
        "replies_count": counts.replies,
        "reblogs_count": counts.boosts,
        "favourites_count": counts.likes,
        "reblog": None,
        "application": {"name": "cuicui", "website": None} if post.own else None,
        "media_attachments": [
            attachment(post.id * 16 + place & 0x7FFFFFFFFFFFFFFF, item, beside)
            for place, item in enumerate(note.attachments)
        ],
        "mentions": [
            {
                "id": str(beside.accounts[mention.href]),
                "username": mention.name.removeprefix("@").partition("@")[0],
                "acct": ids.handle if mention.href == ids.actor else mention.name.removeprefix("@"),
                "url": ids.profile_page if mention.href == ids.actor else mention.href,
            }
            for mention in note.mentions
            if mention.href in beside.accounts
        ],
        "tags": [{"name": tag.lower(), "url": ids.tag(tag)} for tag in note.hashtags],
        "emojis": [],
        "card": None,
        "poll": None,
        "quote": None,
        "cuicui": authorship(post.authorship, f"{ids.base}/api/cuicui/v1/statuses/{post.id}/evidence"),
    }
    if is_owner:
        found |= {
            "favourited": note.iri in beside.favourited,
            "reblogged": note.iri in beside.boosted,
            "bookmarked": post.id in beside.bookmarked,
            "muted": False,
            "filtered": [],
        }
        if post.own:
            found["pinned"] = note.iri in beside.pinned
            found["text"] = note.source or ""
    return found


def boost(entry: int, at: datetime, by: Actor, inner: Json, beside: Beside) -> Json:
    """The Status that a boost is: somebody's account around somebody else's post."""
    return inner | {
        "id": str(entry),
        "uri": f"{inner['uri']}#boost-{entry}",
        "url": inner["url"],
        "account": account(by, beside),
        "created_at": time(at),
        "reblog": inner,
        "content": "",
        "media_attachments": [],
        "mentions": [],
        "tags": [],
        "poll": None,
        "card": None,
    }
