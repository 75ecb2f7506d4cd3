"""Pieces of a Status: attachments, polls, tags, the verdict and what stands for it in apps that know none. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from node.ids import Ids
from node.model import Attachment, Authorship, Emoji, Poll, Post, QuotePolicy, Resembled, Verdict

Json = dict[str, Any]


def time(when: datetime) -> str:
    """ISO 8601, UTC, with milliseconds and Z: the one form that every client reads."""
    return when.astimezone(UTC).isoformat("T", "milliseconds")[:23] + "Z"


def time_or_none(when: datetime | None) -> str | None:
    return None if when is None else time(when)


def day(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).date().isoformat()


# ── who wrote it ─────────────────────────────────────────────────────────────────────────────


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


def proof_url(ids: Ids, identifier: int) -> str:
    return f"{ids.base}/api/cuicui/v1/statuses/{identifier}/evidence"


LOOKS_LIKE, KEY_CHANGED = 900000000000000001, 900000000000000002
"""Numbers of the filters that stand for verdicts; no filter of the owner's is that old or that young."""


def warnings(post: Post) -> list[Json]:
    """Bad verdicts as filters, which apps that know nothing of ours collapse a post behind (client-api.md §7)."""
    found = []
    if isinstance(post.author.resembles, Resembled):
        found.append(_filter(LOOKS_LIKE, f"looks like {post.author.resembles.handle} — is not"))
    if post.authorship.verdict in (Verdict.CHANGED, Verdict.REFUSED):
        found.append(_filter(KEY_CHANGED, f"{post.author.handle} wrote this with a key that is not the known one"))
    return found


def _filter(number: int, title: str) -> Json:
    return {
        "filter": {
            "id": str(number),
            "title": title,
            "context": ["home", "notifications", "public", "thread", "account"],
            "expires_at": None,
            "filter_action": "warn",
            "keywords": [],
            "statuses": [],
        },
        "keyword_matches": [],
        "status_matches": [],
    }


# ── who may quote it ─────────────────────────────────────────────────────────────────────────

_POLICIES = {QuotePolicy.PUBLIC: ["public"], QuotePolicy.FOLLOWERS: ["followers"], QuotePolicy.NOBODY: []}


def quote_approval(post: Post, *, is_owner: bool) -> Json:
    """Who may quote a post, and whether the owner may: apps offer it to nobody where this is missing (Mastodon 4.5).

    Whose rule is for followers, or who has none, is asked (FEP-044f): the quote waits for the answer.
    """
    policy, says_nothing = post.note.quote_policy, post.note.quote_policy is None and not post.own
    if not is_owner or not post.visibility.is_open:
        mine = "denied"
    elif post.own or policy is QuotePolicy.PUBLIC:
        mine = "automatic"
    else:
        mine = "denied" if policy is QuotePolicy.NOBODY else "manual"
    return {
        "automatic": [] if says_nothing else _POLICIES[policy or QuotePolicy.PUBLIC],
        "manual": ["unsupported_policy"] if says_nothing else [],
        "current_user": mine,
    }


# ── what is attached ─────────────────────────────────────────────────────────────────────────

_KINDS = ("image", "video", "audio")


def attachment(number: int, item: Attachment, address: str) -> Json:
    """A file beside somebody else's post. `address` is where it is looked at, by way of this node."""
    kind = item.media_type.partition("/")[0]
    meta: Json = {}
    if item.width and item.height:
        meta["original"] = {
            "width": item.width,
            "height": item.height,
            "size": f"{item.width}x{item.height}",
            "aspect": round(item.width / item.height, 4),
        }
        meta["small"] = meta["original"]
    if kind == "image" or item.focus is not None:
        x, y = item.focus or (0.0, 0.0)
        meta["focus"] = {"x": x, "y": y}
    return {
        "id": str(number),
        "type": kind if kind in _KINDS else "unknown",
        "url": address,
        "preview_url": address + "/preview" if address != item.url and kind == "image" else address,
        "remote_url": None if address == item.url else item.url,
        "preview_remote_url": None,
        "text_url": None,
        "meta": meta,
        "description": item.alt or None,
        "blurhash": item.blurhash,
    }


def emoji(item: Emoji, address: str) -> Json:
    return {
        "shortcode": item.shortcode,
        "url": address,
        "static_url": address + "/preview" if address != item.url else address,
        "visible_in_picker": False,
        "category": None,
    }


def poll(
    number: int, asked: Poll, *, over: bool, chosen: tuple[int, ...] | None, own: bool, emojis: list[Json]
) -> Json:
    """`chosen`: what the owner voted; None when somebody else asks who must not know."""
    found: Json = {
        "id": str(number),
        "expires_at": time_or_none(asked.closed or asked.ends),
        "expired": over,
        "multiple": asked.multiple,
        "votes_count": asked.votes,
        "voters_count": asked.voters if asked.voters is not None else (None if asked.multiple else asked.votes),
        "options": [{"title": choice.name, "votes_count": choice.votes} for choice in asked.choices],
        "emojis": emojis,
    }
    if chosen is not None:
        found["voted"] = own or bool(chosen)
        found["own_votes"] = list(chosen)
    return found
