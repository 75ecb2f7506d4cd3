"""Who could be taken for somebody the owner knows: names compared as eyes compare them (Unicode TS 39 §4)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import idna

from node.confusables import as_latin
from node.model import Iri, host_of

SHORT = 5
"""Letters that a name needs before a difference that eyes miss counts; a foreign letter counts from three."""

# Ballot boxes, ticks and roots, with the selector that makes a picture or a text of them.
_CHECKS = re.compile("[\u2705\u2713\u2714\u2611\u221a\u237b\U0001f5f8\U0001f5f9\U0001fbb1\U00010102][\ufe0e\ufe0f]?")
_CHECK_CODES = re.compile(r":[a-z0-9_+-]{0,40}(?:verif|check|badge|blaster)[a-z0-9_+-]{0,40}:", re.IGNORECASE)
_CODES = re.compile(r":[A-Za-z0-9_+-]{2,60}:")
_ASIDE = re.compile(r"\([^()]{0,80}\)|\[[^\[\]]{0,80}\]")


def without_checks(name: str) -> str:
    """A display name without what looks like a check mark: nobody here is certified by a drawing."""
    if ":" not in name and name.isascii():
        return name
    return " ".join(_CHECK_CODES.sub(" ", _CHECKS.sub(" ", name)).split())


def _letters(text: str) -> str:
    """Letters and digits alone, case folded: separators, marks, emoji and what has no width are left out."""
    return "".join(character for character in text.casefold() if unicodedata.category(character)[0] in "LN")


def skeleton(text: str) -> str:
    """What a name looks like: two names with one skeleton are hard to tell apart (TS 39 §4).

    Taken apart by NFKD, so that fullwidth, mathematical and circled letters fall together with
    plain ones; marks, separators and invisible characters go; every letter becomes the Latin one
    that it reads as.
    """
    apart = unicodedata.normalize("NFKD", text[:400])
    return as_latin(_letters(unicodedata.normalize("NFKD", _letters(apart))))


def _plainly(text: str) -> str:
    """What a name says, tricks included: accents and case aside, as an honest namesake would share it."""
    return _letters(unicodedata.normalize("NFD", text[:400]))


@dataclass(frozen=True, slots=True)
class Face:
    """One account as it is seen: what it is called, and how that looks."""

    iri: Iri
    user: str
    user_looks: str
    host: str
    host_looks: str
    name: str
    name_looks: str
    words: int
    """Of the display name: a full name has two."""


def face(iri: Iri, username: str, name: str) -> Face:
    """The face of an account. An account without a display name shows its user name instead."""
    shown = _ASIDE.sub(" ", _CODES.sub(" ", without_checks(name))).strip() or username
    host = host_of(iri)
    return Face(
        iri=iri,
        user=username.casefold(),
        user_looks=skeleton(username),
        host=host,
        host_looks=_host_looks(host),
        name=_plainly(shown),
        name_looks=skeleton(shown),
        words=sum(1 for word in shown.split() if len(_letters(word)) > 1),
    )


@lru_cache(maxsize=4096)
def _host_looks(host: str) -> str:
    """The skeleton of a domain, label by label: here dots and hyphens are letters like others."""
    labels = host.partition(":")[0].split(".")
    if labels[-1].isdigit() or "[" in host:
        return host  # an address in numbers is read as numbers
    return ".".join("-".join(map(skeleton, _unicode(label).split("-"))) for label in labels)


def _unicode(label: str) -> str:
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except (idna.IDNAError, UnicodeError):
        return label


def could_be_taken(other: Face, friend: Face) -> bool:
    """Whether `other`, a stranger, could be taken for `friend`. Kept narrow: a warning that cries wolf is not read.

    A trick (what looks alike and is not the same) is enough by itself; two people who honestly
    share a name are told apart by the rest.
    """
    same_user = bool(friend.user_looks) and other.user_looks == friend.user_looks
    same_name = bool(friend.name_looks) and other.name_looks == friend.name_looks
    if not (same_user or same_name):
        return False
    if same_user and same_name:
        return True  # all but the domain reads the same
    if other.user == friend.user and other.host == friend.host:
        return True  # the very same handle, of another account
    if other.host != friend.host and other.host_looks == friend.host_looks and "." in friend.host:
        return True  # examp1e.org
    tricky = other.user != friend.user and len(friend.user_looks) >= SHORT
    if same_user and tricky and (other.host == friend.host or _letters(other.user) != _letters(friend.user)):
        return True  # ada1ovelace; with a dot or a bar more only beside the real one
    if same_name and other.name != friend.name:
        least = 3 if not (other.name + friend.name).isascii() else SHORT
        return len(friend.name_looks) >= least  # a letter of another alphabet
    return same_name and friend.words >= 2 and other.words >= 2  # the same full name


NEAR = 4
"""Bits of 64 in which two hashes of one picture may differ: saved again, scaled, a little brighter."""

PLAIN = 10
"""Bits of one kind that a picture needs: what is of one colour looks like every other of one colour."""

_NOBODY = re.compile(r"default|missing|identicon|placeholder|no-?avatar|/avi\.png", re.IGNORECASE)


def portrait(likeness: str | None, url: str | None = None) -> int | None:
    """The hash of a picture as a number; None for what is nobody's in particular."""
    if likeness is None or (url is not None and _NOBODY.search(url)):
        return None
    value = int(likeness, 16)
    return value if PLAIN <= value.bit_count() <= 64 - PLAIN else None


class Faces:
    """The owner and those whom the owner follows, by how they look. Unchanging; made anew when they change."""

    def __init__(
        self,
        owner: Face,
        friends: Iterable[tuple[Face, tuple[Iri, ...]]],
        portraits: Mapping[Iri, int] = MappingProxyType({}),
    ) -> None:
        """Beside each friend's face: the other accounts that the friend names as their own.

        `portraits` are hashes of friends' pictures; one that two friends share is nobody's.
        """
        shared = Counter(portraits.values())
        self._portraits = {iri: value for iri, value in portraits.items() if shared[value] == 1}
        known = [(owner, ()), *friends]
        self._members = {one.iri for one, _ in known}
        self._homes = {host_of(iri) for iri in self._members}
        self._aliases = {alias for _, aliases in known for alias in aliases}
        self._by_look: dict[str, list[Face]] = defaultdict(list)
        for one, _ in known:
            for look in {one.user_looks, one.name_looks} - {""}:
                self._by_look[look].append(one)

    def knows(self, iri: Iri) -> bool:
        """Whether this is the owner, or somebody whom the owner follows."""
        return iri in self._members

    def lives_at(self, host: str) -> bool:
        """Whether the owner follows somebody on this server."""
        return host in self._homes

    def portrayed_by(self, iri: Iri, picture: int | None) -> Iri | None:
        """Whose picture, of those the owner knows, an account shows as its own; None for the owner's own circle."""
        if picture is None or iri in self._members or iri in self._aliases:
            return None
        return next(
            (one for one, other in self._portraits.items() if (one != iri and (picture ^ other).bit_count() <= NEAR)),
            None,
        )

    def resembled_by(self, iri: Iri, username: str, name: str) -> Iri | None:
        """Whom, of those the owner knows, an account could be taken for; None for the owner's own circle."""
        if iri in self._members or iri in self._aliases:
            return None
        other = face(iri, username, name)
        near = [*self._by_look.get(other.user_looks, ()), *self._by_look.get(other.name_looks, ())]
        return next((friend.iri for friend in near if could_be_taken(other, friend)), None)
