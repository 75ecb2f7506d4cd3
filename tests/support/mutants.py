"""Real activities, spoiled: what hypothesis makes of the documents in `tests/vectors/servers`."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import strategies as st

from tests.support.stranger import PUBLIC


def deep(levels: int, *, objects: bool = False) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = {"object": value} if objects else [value]
    return value


JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, -0.0, 2**31, 2**63, -(2**63), 10**18, 10**40, 1e308),
    *("", " ", "\x00", "\ud800", "\udfff\ud800", "\u202eolleh", "\u200b", "a" * 3000, "z" * 150_000, "🐦" * 500),
    *([], {}, [[]], [{}], [None], [None, None], {"": ""}, {"id": None}, {"id": []}, {"type": "Note"}, {"type": []}),
    *("https://", "http://[::1", "http://[::1]:0/", "https://a:b@them.example/", "javascript:alert(1)", "HTTP://X"),
    *(
        "https://them.example",
        "https://them.example:99999/",
        "https://us.example/actor",
        "https://us.example/notes/OWN",
    ),
    *("https://third.example/users/x", "//third.example/x", "tag:them.example,2026:1", "acct:ada@them.example"),
    *(PUBLIC, "as:Public", "Public", [PUBLIC] * 600, ["https://them.example/x"] * 600),
    *(
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "2026-02-30T25:61:61+99:99",
        "yesterday",
        "-0001-01-01T00:00:00Z",
    ),
    *(
        "<p>" * 3000,
        "<a href=" * 2000,
        "<![CDATA[",
        "&" * 3000,
        "<svg/onload=alert(1)>",
        "</script><script>",
        "{" * 100,
    ),
    *(
        "en\n",
        "#",
        "@",
        ":blobcat:",
        "Note",
        "Person",
        "Follow",
        "Tombstone",
        "DataIntegrityProof",
        "%00%ff",
        "../../x",
    ),
    *([{"type": "Mention", "href": "https://us.example/actor"}] * 300, [{"type": "Image", "url": {}}] * 40),
    *({"@graph": []}, {"@id": "https://us.example/actor"}, {"@value": "x"}, {"id": "https://us.example/actor"}),
    *(deep(20), deep(40), deep(28, objects=True), [{"name": "x", "type": "Note", "replies": deep(9)}] * 30),
)
"""What is put where something else belongs: wrong types, wrong sizes, other people's ids, half characters."""

NAMES = (
    *("id", "type", "actor", "object", "to", "cc", "content", "contentMap", "tag", "attachment", "attributedTo"),
    *("inReplyTo", "published", "updated", "proof", "signature", "@graph", "@context", "url", "href", "oneOf", "anyOf"),
    *("endTime", "quote", "name", "summary", "replies", "target", "result", "instrument", "publicKey", "inbox"),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside, itself left out."""
    found: list[tuple[Any, Any]] = []
    _find(value, 0, found)
    return found


def _find(value: Any, depth: int, found: list[tuple[Any, Any]]) -> None:
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside:
        found.append((value, key))
        if depth < 12 and isinstance(one, dict | list):
            _find(one, depth + 1, found)


Step = tuple[str, int, int]
STEPS = ("drop", "junk", "junk", "junk", "junk", "list", "wrap", "twice", "rename", "swap", "host", "cut")


def _steps(seed: int) -> list[Step]:
    """Evenly spread over the document: hypothesis by itself likes small numbers, and stays near the top."""
    draw = random.Random(seed)
    return [
        (draw.choice(STEPS), draw.randrange(10_000), draw.randrange(10_000))
        for _ in range(draw.choice((1, 1, 2, 3, 4)))
    ]


steps = st.integers(0, 2**32 - 1).map(_steps)


def mutant(document: Any, how: list[Step]) -> Any:
    """A copy, changed step by step."""
    changed = copy.deepcopy(document)
    for step, where, what in how:
        found = places(changed)
        if not found:
            return changed
        _change(changed, found, step, where, what)
    return changed


def _change(document: Any, found: list[tuple[Any, Any]], step: str, where: int, what: int) -> None:
    container, key = found[where % len(found)]
    old = container[key]
    match step:
        case "drop":
            del container[key]
        case "junk":
            container[key] = copy.deepcopy(JUNK[what % len(JUNK)])
        case "list":
            container[key] = [old]
        case "wrap":
            container[key] = {NAMES[what % len(NAMES)]: old}
        case "twice":
            container[key] = [old, copy.deepcopy(old)]
        case "rename" if isinstance(container, dict):
            del container[key]
            container[NAMES[what % len(NAMES)]] = old
        case "swap":
            other, name = found[what % len(found)]
            container[key] = copy.deepcopy(other[name])
        case "host" if isinstance(old, str):
            hosts = ("https://us.example", "https://third.example", "http://them.example", "https://them.example:8443")
            container[key] = old.replace("https://them.example", hosts[what % len(hosts)])
        case "cut" if isinstance(old, str):
            container[key] = old[: what % (len(old) + 1)]
