"""What the owner's filters say about a post, in Mastodon's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from node import text
from node.model import Post
from node.storage.filters import Filter
from node.web.mastodon.parts import Json, time_or_none


def outline(one: Filter) -> Json:
    """A filter without what it looks for."""
    return {
        "id": str(one.id),
        "title": one.title,
        "context": list(one.contexts),
        "expires_at": time_or_none(one.expires_at),
        "filter_action": one.action,
    }


def results(filters: Sequence[Filter], post: Post) -> list[Json]:
    """The filters that a post meets, each with what it was met by. Whether to warn or to hide is for the app."""
    if not filters:
        return []
    said = words_of(post)
    found = []
    for one in filters:
        met = [item.keyword for item in one.keywords if _pattern(item.keyword, item.whole_word).search(said)]
        named = [str(post.id) for item in one.posts if item.note_id == post.id]
        if met or named:
            shown = outline(one) | {"keywords": [], "statuses": []}
            found.append({"filter": shown, "keyword_matches": met or None, "status_matches": named or None})
    return found


def words_of(post: Post) -> str:
    """All that can be read of a post: warning, text, what pictures show, what is asked, hashtags."""
    note = post.note
    pieces: Iterable[str] = (
        note.summary,
        _text(note.content),
        *(item.alt for item in note.attachments if item.alt),
        *(choice.name for choice in (note.poll.choices if note.poll else ())),
    )
    return "\n\n".join(piece for piece in pieces if piece)


@lru_cache(maxsize=512)
def _text(content: str) -> str:
    return text.to_text(content)


@lru_cache(maxsize=1024)
def _pattern(keyword: str, whole_word: bool) -> re.Pattern[str]:
    """Written letter for letter, capitals or not. A word's edge is looked for only where the keyword has one."""
    written = re.escape(keyword)
    if whole_word:
        before = r"\b" if re.match(r"\w", keyword) else ""
        after = r"\b" if re.search(r"\w\Z", keyword) else ""
        written = f"{before}{written}{after}"
    return re.compile(written, re.IGNORECASE)
