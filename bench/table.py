"""What was measured: kept for JSON, printed for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """`limit` is the most (or, if `at_least`, the least) that the target allows; None: no target."""

    name: str
    words: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass
class Table:
    """Rows as they come; each is printed at once, so that a long run can be watched."""

    rows: list[Row] = field(default_factory=list)

    def section(self, name: str, words: str) -> None:
        print(f"\n{name} — {words}", flush=True)

    def row(
        self, name: str, words: str, value: float, unit: str, limit: float | None = None, *, at_least: bool = False
    ) -> None:
        row = Row(name, words, value, unit, limit, at_least)
        self.rows.append(row)
        target = ""
        if limit is not None:
            target = f"   {'≥' if at_least else '≤'} {limit:g}  {'met' if row.met else 'MISSED'}"
        print(f"  {words:<68} {_number(value):>10} {unit:<5}{target}", flush=True)

    def write(self, file: Path) -> None:
        file.write_text(
            json.dumps([{**asdict(row), "met": row.met} for row in self.rows], indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )

    @property
    def missed(self) -> list[Row]:
        return [row for row in self.rows if row.met is False]


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
