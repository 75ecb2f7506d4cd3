"""Other people's test vectors, read from tests/vectors/, and a still clock."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DIRECTORY = Path(__file__).parent.parent / "vectors"


def vectors(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return found


def signed(name: str) -> dict[str, Any]:
    """One of our own signed examples, by the beginning of its name; a fresh copy."""
    (found,) = [one["document"] for one in vectors("cuicui_signed")["documents"] if one["name"].startswith(name)]
    return copy.deepcopy(found)
