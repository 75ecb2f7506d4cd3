"""What pages say in plain words: verdicts, keys and times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import idna

from keys import PublicIdentity
from node import text
from node.errors import BadKey
from node.model import Actor, Counts, Post, Trust, Verdict, host_of

HUES = 12
"""How many colours the stylesheet has for those without a picture."""

_STEPS = (
    (3600, 60, "minute"),
    (86_400, 3600, "hour"),
    (30 * 86_400, 86_400, "day"),
    (365 * 86_400, 30 * 86_400, "month"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for a machine, for a reader, and for a reader in a hurry."""

    machine: str
    day: str
    full: str
    ago: str


@dataclass(frozen=True, slots=True)
class Said:
    """A verdict as a reader meets it."""

    word: str
    title: str
    """A few words: who stands for this post."""
    sentence: str
    """What that means, and what it does not."""
    key: str | None
    fingerprint: str | None
    since: Moment | None
    """Since when the key is known here."""
    how: str | None
    """How it came to be known."""


def date(when: datetime) -> str:
    return f"{when.day} {when:%B %Y}"


def moment(when: datetime, now: datetime) -> Moment:
    day = date(when)
    return Moment(f"{when:%Y-%m-%dT%H:%M:%SZ}", day, f"{day}, {when:%H:%M} UTC", ago(when, now))


def ago(when: datetime, now: datetime) -> str:
    """`3 hours ago`: rounded down, and never more exact than a minute."""
    seconds = (now - when).total_seconds()
    if seconds < 60:
        return "just now"
    for below, unit, name in _STEPS:
        if seconds < below:
            return _several(int(seconds // unit), name)
    return _several(int(seconds // (365 * 86_400)), "year")


def _several(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'} ago"


def name_of(actor: Actor) -> str:
    return actor.name.strip() or actor.username


def host(iri: str) -> str:
    """The host as it is dialled: letters of other scripts that look like ours are spelled out (security.md §2)."""
    shown = host_of(iri)
    if shown.isascii():
        return shown
    name, _, port = shown.partition(":")
    try:
        spelled = idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        spelled = ascii(name).strip("'")
    return f"{spelled}:{port}" if port else spelled


def handle_of(actor: Actor) -> str:
    return f"@{actor.username}@{host(actor.iri)}"


def verdict(post: Post, now: datetime) -> Said:
    """Who stands for this post, in words that promise no more than was checked (decisions.md §7)."""
    by, authorship = name_of(post.author), post.authorship
    match authorship.verdict:
        case Verdict.SIGNED:
            title = f"Signed by {by}"
            sentence = "The signature covers exactly these words, when they were said, and to whom."
        case Verdict.VOUCHED:
            title = f"Vouched for by {host(post.author.iri)}"
            sentence = "Its author did not sign it. The author’s own server says that it is theirs, as is usual today."
        case Verdict.CHANGED:
            title = f"Under a key that is new for {by}"
            sentence = (
                "The signature is valid, but the key is not the one that was known here, and nothing connects the two. "
                f"Ask {by} by another way before you trust it."
            )
        case Verdict.REFUSED:
            title = "Not authentic"
            sentence = "What should show who wrote it does not hold."
    return Said(
        word=authorship.verdict.value,
        title=title,
        sentence=sentence,
        key=authorship.key,
        fingerprint=fingerprint(authorship.key),
        since=moment(authorship.key_since, now) if authorship.key_since is not None else None,
        how=_how(post) if authorship.key is not None else None,
    )


def _how(post: Post) -> str:
    """How the key came to be known here, and what that is worth."""
    authorship = post.authorship
    if post.own:
        return f"It is this node’s own, made here for {name_of(post.author)}."
    if authorship.verdict is Verdict.CHANGED:
        return "It turned up in the place of another, which did not name it as its successor."
    match authorship.key_trust:
        case Trust.COMPARED:
            return "The owner of this node compared it with its author."
        case Trust.CONTINUITY:
            return "The key before it named it as its successor."
        case Trust.FIRST_USE:
            return "It was first seen then and has been the same since; nobody has compared it."
        case _:
            return "It is not known how."


def fingerprint(key: str | None) -> str | None:
    """The part of a key that two people compare; None for what is not an identity key."""
    if key is None:
        return None
    try:
        return PublicIdentity.from_multikey(key).fingerprint
    except BadKey:
        return None


def hue(handle: str) -> int:
    """The colour of an account without a picture: always the same one."""
    return hashlib.blake2b(handle.lower().encode(), digest_size=4).digest()[0] % HUES


def initial(actor: Actor) -> str:
    """The letter on the egg of an account."""
    return next((sign for sign in name_of(actor) + actor.username if sign.isalnum()), "·").upper()[:1]


def counted(counts: Counts) -> str:
    """What was done with a post, in words; empty when nothing was."""
    named = ((counts.likes, "like", "likes"), (counts.boosts, "boost", "boosts"), (counts.replies, "answer", "answers"))
    said = [f"{number} {one if number == 1 else many}" for number, one, many in named if number]
    said += [f"{text.plain(emoji, 64)} {times}" for emoji, times in counts.emojis]
    return ", ".join(said)
