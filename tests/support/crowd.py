"""A crowd of realistic accounts, always the same: names as common as names are, handles as people make them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

_WORDS = json.loads((Path(__file__).parents[1] / "vectors" / "crowd.json").read_text(encoding="utf-8"))
FIRST, LAST, THINGS, HOSTS = (_WORDS[name].split() for name in ("first", "last", "things", "hosts"))
"""The commonest first: names of a dozen languages, what people name themselves after, servers by size."""


@dataclass(frozen=True)
class Account:
    username: str
    host: str
    name: str

    @property
    def iri(self) -> str:
        return f"https://{self.host}/users/{self.username}"


def _weights(names: list[str], flat: int) -> list[float]:
    """Falling with the rank, so that the commonest first name is one in sixty: as in any big country."""
    return list(accumulate(1 / (rank + flat) for rank in range(len(names))))


def crowd(size: int, seed: int) -> list[Account]:
    """`size` accounts of as many people, no two with one handle."""
    draw = random.Random(seed)
    found: dict[str, Account] = {}
    while len(found) < size:
        (first,) = draw.choices(FIRST, cum_weights=_weights(FIRST, 30))
        (last,) = draw.choices(LAST, cum_weights=_weights(LAST, 30))
        (host,) = draw.choices(HOSTS, cum_weights=_weights(HOSTS, 3))
        thing, other, year = draw.choice(THINGS), draw.choice(THINGS), draw.randint(1, 99)
        plain = first.replace("-", "")
        shapes = [first, plain + last, f"{plain}.{last}", f"{plain}_{last}", plain[0] + last, f"{plain}{year:02}"]
        shapes += [f"{plain}_{thing}", f"{thing}{other}", f"{thing}_{other}", f"{last}{plain[0]}", plain + last[0]]
        weights = [14, 14, 4, 8, 12, 10, 8, 8, 6, 4, 12]
        (username,) = draw.choices(shapes, weights=weights)
        full, emoji = f"{first.title()} {last.title()}", draw.choice("🌱🚲☕📚🦊🐦🌈🎧")
        names = [full, first.title(), "", f"{first.title()} {emoji}", f"{full} (she/her)", f"{thing} {other}", username]
        (name,) = draw.choices(names, weights=[36, 22, 10, 10, 6, 10, 6])
        account = Account(username.replace("-", "_"), host, name)
        found.setdefault(account.iri.casefold(), account)
    return list(found.values())
