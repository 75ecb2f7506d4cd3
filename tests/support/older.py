"""A database as an earlier version left it; tests/vectors/older says how it was made."""

from __future__ import annotations

import sqlite3
from pathlib import Path

DUMP = Path(__file__).parents[1] / "vectors" / "older" / "schema_0002.sql"


def fill(file: Path | str) -> None:
    """Into a new SQLite file."""
    database = sqlite3.connect(file)
    try:
        database.executescript(DUMP.read_text(encoding="utf-8"))
    finally:
        database.close()
