"""The owner's own files, as they are kept and described."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

MAX_DESCRIPTION = 1500
"""Characters of a description, as Mastodon's apps count on."""


@dataclass(frozen=True, slots=True)
class Media:
    """One uploaded file. `file` and `preview` are names that nobody can guess, not paths."""

    id: int
    purpose: str
    """`post`, `avatar` or `header`."""
    kind: str
    """`image`, `gifv` (a picture that moves), `video` or `audio`."""
    media_type: str
    file: str
    size: int
    """Bytes of the file and its preview."""
    created_at: datetime
    digest: str
    """`digestMultibase` of the file: the SHA-256 multihash of its bytes (FEP-ef61)."""
    preview: str | None = None
    width: int | None = None
    height: int | None = None
    preview_width: int | None = None
    preview_height: int | None = None
    duration: float | None = None
    """Seconds, as the file says."""
    alt: str = ""
    focus: tuple[float, float] | None = None
    """Where to look: x from left to right, y from bottom to top, each from -1 to 1."""
    blurhash: str | None = None
    note_id: int | None = None
    problem: str | None = field(default=None, compare=False)
