"""What other servers send, from `tests/vectors/servers`: read, filled with addresses and keys, and compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from node.model import Iri
from tests.support.stranger import Json, Place, Stranger

VECTORS = Path(__file__).parents[1] / "vectors" / "servers"
NAMES = sorted(path.stem for path in VECTORS.glob("*.json"))
THEM, US, THIRD = "https://them.example", "https://us.example", "https://third.example"
OWN, FOLLOW = "/notes/OWN", "/activities/FOLLOW"


@cache
def server(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def cases() -> list[tuple[str, int]]:
    return [(name, number) for name in NAMES for number in range(len(server(name)["cases"]))]


def name_of(case: tuple[str, int]) -> str:
    return f"{case[0]}: {server(case[0])['cases'][case[1]]['name']}"


def filled(value: Any, others: Mapping[str, str]) -> Any:
    """With other words in place of those named: `{"https://them.example": …}` and the like, in every string."""
    written = json.dumps(value)
    for old, new in others.items():
        written = written.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    return json.loads(written)


def dug(value: Any, path: str) -> Any:
    """What lies at `note.mentions[0].href`, as JSON would say it; `type` is the name of our type."""
    for step in re.findall(r"[^.\[\]]+", path):
        if step == "type" and not hasattr(value, "type"):
            return type(value).__name__
        value = value[int(step)] if step.isdigit() else getattr(value, step)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


@dataclass
class Foreigner(Stranger):
    """A stranger whose actor document is that of another server's vector."""

    server: str = "mastodon"
    vector: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vector = filled(server(self.server)["actor"], {THEM: self.place.base})
        super().__post_init__()

    @property
    def iri(self) -> Iri:
        return Iri(self.vector["id"])

    @property
    def key_id(self) -> str:
        return str(_first(self.vector["publicKey"])["id"])

    @property
    def method(self) -> str:
        keys = self.vector.get("assertionMethod", [])
        listed = keys if isinstance(keys, list) else [keys]
        return str(next(key["id"] for key in listed if key["publicKeyMultibase"] == "MULTIKEY"))

    def document(self) -> Json:
        keys = {"PEM": self.rsa.public.pem, "MULTIKEY": self.identity.public.multikey}
        document: Json = filled(self.vector, keys)
        return document


def foreigner(place: Place, name: str) -> Foreigner:
    return Foreigner(place, str(server(name)["actor"]["preferredUsername"]), server=name)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
