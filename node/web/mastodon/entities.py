"""How our types look to an app: Account and Status (client-api.md §6). Pure: values in, JSON types out.

Every field that some client cannot do without is there, never null where it must not be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from node import text
from node.ids import Ids, minted_ms
from node.model import Actor, Counts, Iri, Post, Profile, QuoteState, Resembled, Visibility, host_of
from node.storage.dialect import when
from node.storage.filters import Filter
from node.storage.tallies import Mark, ShownKey
from node.web.mastodon import parts
from node.web.mastodon.parts import Json, day, time, time_or_none

__all__ = ["Json", "day", "time", "time_or_none"]

VISIBILITY = {
    Visibility.PUBLIC: "public",
    Visibility.UNLISTED: "unlisted",
    Visibility.FOLLOWERS: "private",
    Visibility.DIRECT: "direct",
}
"""Ours → Mastodon's."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SIGNING_KEY = "Signing key"
"""Name of the profile field that shows an account's identity key."""

clean = lru_cache(maxsize=1024)(text.sanitise)
"""Cleaned once more, whatever it went through before it was stored; the same bios come again and again."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is counted of an account, as far as this node has seen."""

    followers: int = 0
    following: int = 0
    posts: int = 0
    last_post: datetime | None = None


@dataclass(frozen=True)
class Beside:
    """What stands beside posts in an answer, gathered once for all of them (gather.py)."""

    ids: Ids
    accounts: dict[Iri, int] = field(default_factory=dict)
    """Numbers of the accounts that are named."""
    named: Mapping[Iri, Mark] = field(default_factory=dict)
    """Those that posts mention, as this node knows them."""
    gone: frozenset[Iri] = frozenset()
    moved: Mapping[Iri, Actor] = field(default_factory=dict)
    """Where accounts that moved are now, as far as those are known here."""
    numbers: dict[Iri, Numbers] = field(default_factory=dict)
    keys: Mapping[Iri, tuple[ShownKey, ...]] = field(default_factory=dict)
    """The identity keys that are shown as profile fields."""
    counts: dict[Iri, Counts] = field(default_factory=dict)
    parents: dict[Iri, tuple[int, int]] = field(default_factory=dict)
    """Of answered posts: their number, and their author's."""
    favourited: frozenset[Iri] = frozenset()
    boosted: frozenset[Iri] = frozenset()
    bookmarked: frozenset[int] = frozenset()
    pinned: frozenset[Iri] = frozenset()
    muted: frozenset[str] = frozenset()
    """Conversations: their contexts, or their first posts."""
    chosen: Mapping[Iri, tuple[int, ...]] = field(default_factory=dict)
    """What the owner voted in polls."""
    quoted: Mapping[Iri, Post] = field(default_factory=dict)
    """What each of the posts quotes by leave, by the id of the post that quotes."""
    address: Callable[[str, str], str] = lambda url, _kind: url
    """Ours for a file of somebody else's, of a kind: apps never ask strangers' servers for pictures."""
    files: Mapping[str, Json] = field(default_factory=dict)
    """The owner's own files as attachments, by their address."""
    filters: tuple[Filter, ...] = ()
    """The owner's, when it is the owner who asks."""
    synthetic: bool = True
    """Verdicts also show as filters and profile fields, for apps that know none; the owner may not want that."""
    now: datetime = EPOCH
    shown: dict[Iri, Json] = field(default_factory=dict, compare=False, repr=False)

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
    """An Account; made once for each answer, and not to be changed by whoever gets it."""
    known = beside.shown.get(actor.iri)
    if known is None:
        known = beside.shown[actor.iri] = _account(actor, beside)
        target = beside.moved.get(actor.iri)
        if target is not None:
            known["moved"] = _account(target, beside)
    return known


def _account(actor: Actor, beside: Beside) -> Json:
    ids = beside.ids
    numbers = beside.numbers.get(actor.iri, Numbers())
    number = beside.accounts.get(actor.iri, 0)
    own = actor.iri == ids.actor
    avatar = beside.address(actor.icon, "avatar") if actor.icon else beside.avatar
    header = beside.address(actor.image, "header") if actor.image else beside.header
    still = "/preview" if not own else ""
    found: Json = {
        "id": str(number),
        "username": actor.username,
        "acct": acct(actor, ids),
        "display_name": actor.name or actor.username,
        "locked": actor.locked,
        "bot": actor.bot,
        "discoverable": actor.discoverable,
        "group": actor.type == "Group",
        "created_at": time(actor.published or when(minted_ms(number))),  # when it was first met, if it does not say
        "note": clean(actor.summary),
        "url": ids.profile_page if own else (actor.url or actor.iri),
        "uri": actor.iri,
        "avatar": avatar,
        "avatar_static": avatar + still if actor.icon else avatar,
        "header": header,
        "header_static": header + still if actor.image else header,
        "followers_count": numbers.followers,
        "following_count": numbers.following,
        "statuses_count": numbers.posts,
        "last_status_at": day(numbers.last_post),
        "emojis": [parts.emoji(one, beside.address(one.url, "emoji")) for one in actor.emojis],
        "fields": [
            *_caution(actor, beside),
            *(
                {"name": row.name, "value": clean(row.value), "verified_at": time_or_none(row.verified_at)}
                for row in actor.fields
            ),
            *_signing_keys(actor, beside),
        ],
    }
    if actor.iri in beside.gone:
        found["suspended"] = True
    return found


def _caution(actor: Actor, beside: Beside) -> list[Json]:
    """What the filter on its posts says, on the profile as well: Phanpy looks at no filters inside a thread."""
    if not beside.synthetic or not isinstance(actor.resembles, Resembled):
        return []
    return [{"name": "Caution", "value": f"looks like {actor.resembles.handle} — is not", "verified_at": None}]


def _signing_keys(actor: Actor, beside: Beside) -> list[Json]:
    """The identity key as a field: verified since it was pinned; not verified while it is another one (§7)."""
    if not beside.synthetic:
        return []
    return [
        {"name": SIGNING_KEY, "value": key.multikey, "verified_at": time_or_none(key.since)}
        for key in beside.keys.get(actor.iri, ())
    ]


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


@dataclass(frozen=True, slots=True)
class Aside:
    """All that a Status shows beside the post itself: the same post and the same Aside look the same."""

    account: Json
    counts: Counts
    parent: tuple[int, int] | None
    mentions: tuple[tuple[Iri, Mark], ...]
    addresses: tuple[str, ...]
    """Where each attachment is looked at."""
    files: tuple[Json | None, ...]
    """Of each attachment that is the owner's own file: how it looks."""
    emojis: tuple[str, ...]
    chosen: tuple[int, ...]
    over: bool
    """The poll."""
    favourited: bool
    boosted: bool
    bookmarked: bool
    pinned: bool
    muted: bool
    filtered: tuple[Json, ...]
    quoted: Json | None


def quoted_by(post: Post, beside: Beside) -> Post | None:
    """The post that goes into this one, by its author's leave."""
    return beside.quoted.get(post.note.iri) if post.quote_state is QuoteState.ACCEPTED else None


def aside(post: Post, beside: Beside, filtered: tuple[Json, ...] = (), *, quoted: Json | None = None) -> Aside:
    """What one post of an answer needs of what was gathered for all. `quoted`: the Status that it quotes."""
    note = post.note
    return Aside(
        account=account(post.author, beside),
        counts=beside.counts.get(note.iri, Counts()),
        parent=beside.parents.get(note.in_reply_to) if note.in_reply_to else None,
        mentions=tuple(
            (mention.href, beside.named[mention.href]) for mention in note.mentions if mention.href in beside.named
        ),
        addresses=tuple(beside.address(item.url, "attachment") for item in note.attachments),
        files=tuple(beside.files.get(item.url) for item in note.attachments),
        emojis=tuple(beside.address(one.url, "emoji") for one in note.emojis),
        chosen=beside.chosen.get(note.iri, ()),
        over=note.poll is not None and note.poll.is_over(beside.now),
        favourited=note.iri in beside.favourited,
        boosted=note.iri in beside.boosted,
        bookmarked=post.id in beside.bookmarked,
        pinned=note.iri in beside.pinned,
        muted=bool(beside.muted) and any(root in beside.muted for root in roots_of(post)),
        filtered=filtered,
        quoted=quoted,
    )


def roots_of(post: Post) -> tuple[str, ...]:
    """The names by which a post's conversation is known: its context first, if it has one."""
    note = post.note
    return tuple(name for name in (note.context, note.in_reply_to or note.iri) if name)


def status(post: Post, beside: Aside, ids: Ids, *, is_owner: bool) -> Json:
    """A post as an app sees it. `is_owner`: with what the owner did to it."""
    note = post.note
    emojis = [parts.emoji(one, address) for one, address in zip(note.emojis, beside.emojis, strict=True)]
    found: Json = {
        "id": str(post.id),
        "uri": note.iri,
        "url": ids.note_page(post.id) if post.own else (note.url or note.iri),
        "created_at": time(note.published or post.received_at),
        "edited_at": time_or_none(note.updated),
        "in_reply_to_id": str(beside.parent[0]) if beside.parent else None,
        "in_reply_to_account_id": str(beside.parent[1]) if beside.parent else None,
        "account": beside.account,
        "content": text.sanitise(note.content),
        "spoiler_text": note.summary,
        "visibility": VISIBILITY[post.visibility],
        "sensitive": note.sensitive or bool(note.summary),
        "language": note.language,
        "replies_count": beside.counts.replies,
        "reblogs_count": beside.counts.boosts,
        "favourites_count": beside.counts.likes,
        "reblog": None,
        "application": {"name": "cuicui", "website": None} if post.own else None,
        "media_attachments": [
            file or parts.attachment(post.id * 16 + place, item, address)
            for place, (item, address, file) in enumerate(
                zip(note.attachments, beside.addresses, beside.files, strict=True)
            )
        ],
        "mentions": [_mention(iri, mark, ids) for iri, mark in beside.mentions],
        "tags": [{"name": tag.lower(), "url": ids.tag(tag)} for tag in dict.fromkeys(note.hashtags)],
        "emojis": emojis,
        "card": None,
        "poll": None
        if note.poll is None
        else parts.poll(
            post.id,
            note.poll,
            over=beside.over,
            chosen=beside.chosen if is_owner else None,
            own=post.own,
            emojis=emojis,
        ),
        "quote_approval": parts.quote_approval(post, is_owner=is_owner),
        "cuicui": parts.authorship(post.authorship, parts.proof_url(ids, post.id)),
    }
    if beside.quoted is not None:
        found["quote"] = {"state": "accepted", "quoted_status": beside.quoted}
    if is_owner:
        found["favourited"] = beside.favourited
        found["reblogged"] = beside.boosted
        found["bookmarked"] = beside.bookmarked
        found["muted"] = beside.muted
        found["filtered"] = list(beside.filtered)
        if post.own:
            found["pinned"] = beside.pinned
    return found


def _mention(iri: Iri, mark: Mark, ids: Ids) -> Json:
    """As this node knows it, whatever the post calls it: apps find the link in the text by the address of the page."""
    own = iri == ids.actor
    return {
        "id": str(mark.id),
        "username": mark.username,
        "acct": ids.handle if own else f"{mark.username}@{host_of(iri)}",
        "url": ids.profile_page if own else (mark.url or iri),
    }


def boost(entry: int, by: Actor, post: Post, inner: Json, reblog: object, beside: Beside) -> Json:
    """The Status that a boost is: somebody's account around somebody else's post.

    `inner` are the fields of the post inside; `reblog` is that post as it goes into the answer.
    """
    return inner | {
        "id": str(entry),
        "uri": f"{post.note.iri}#boost-{entry}",
        "account": account(by, beside),
        "created_at": time(when(minted_ms(entry))),
        "reblog": reblog,
        "content": "",
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "media_attachments": [],
        "mentions": [],
        "tags": [],
        "poll": None,
        "card": None,
    }
