"""Full-text search over every post that is here, own and received.

On SQLite an FTS5 table holds the words. A new or edited post is noted in `search_due` by a trigger,
and gets into the index with the next search: what arrives pays for one row, not for taking text apart.
A post that is deleted is out of the index in the same transaction. PostgreSQL has an index on the
posts themselves, which is never behind.
"""

from __future__ import annotations

import html
import re
import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, column, delete, func, literal_column, select, true
from sqlalchemy import text as sql

from node.model import Post, Window
from node.storage import blocks, polls
from node.storage.dialect import Tx, is_sqlite
from node.storage.listings import windowed
from node.storage.notes import posts, to_post
from node.storage.schema import WORDS, actors, note_tags, notes, search_due

BATCH = 200
MOST_TERMS = 16
LONGEST_TEXT = 100_000
"""Characters of one post that are searched."""

_TERM = re.compile(r'"([^"]*)"|(\S+)')
_BLOCK = re.compile(r"<(?:/?(?:p|br|li|ul|ol|pre|blockquote|h[1-6])\b)[^>]*>")
_TAG = re.compile(r"<[^>]*>")


# ── the index ────────────────────────────────────────────────────────────────────────────────


async def is_due(tx: Tx) -> bool:
    return is_sqlite(tx) and (await tx.execute(select(search_due.c.note_id).limit(1))).first() is not None


async def index(tx: Tx, most: int = BATCH) -> int:
    """Take in what was written or edited since, the newest first; how many. Fewer than `most`: nothing is left."""
    if not is_sqlite(tx):
        return 0
    query = select(notes.c.id, notes.c.summary, notes.c.content, notes.c.attachments, notes.c.poll)
    due = select(search_due.c.note_id).order_by(search_due.c.note_id.desc()).limit(most)
    numbers = list((await tx.execute(due)).scalars())
    if not numbers:
        return 0
    rows = [{"number": row.id, "words": _words(row)} for row in await tx.execute(query.where(notes.c.id.in_(numbers)))]
    await tx.execute(_FORGET, [{"number": number} for number in numbers])
    if rows:
        await tx.execute(_LEARN, rows)
    await tx.execute(delete(search_due).where(search_due.c.note_id.in_(numbers)))
    return len(numbers)


_FORGET = sql("DELETE FROM note_words WHERE rowid = :number")
_LEARN = sql("INSERT INTO note_words (rowid, words) VALUES (:number, :words)")


def _words(row: Any) -> str:
    """Warning, text, what is said of pictures, what is asked; without markup."""
    asked = polls.unpack(row.poll)
    choices = [] if asked is None else [choice.name for choice in asked.choices]
    alts = [item[3] for item in row.attachments if item[3]]
    return "\n".join([row.summary, plain(row.content), *alts, *choices])[:LONGEST_TEXT]


def plain(content: str) -> str:
    """The words of sanitised HTML. Tags inside a word do not part it."""
    return html.unescape(_TAG.sub("", _BLOCK.sub(" ", content)))


# ── asking ───────────────────────────────────────────────────────────────────────────────────


def terms(words: str) -> list[str]:
    """What is looked for: words, and "phrases in quotes"; what has no letter or digit in it is left out."""
    shown = "".join(character if character.isprintable() else " " for character in words)
    found = [(phrase or word).replace('"', " ").strip() for phrase, word in _TERM.findall(shown)]
    return [one for one in found if any(map(str.isalnum, one))][:MOST_TERMS]


def _holds(tx: Tx, wanted: list[str]) -> ColumnElement[bool]:
    """Whether a post has all of these. Each is one quoted phrase: nothing in it is read as an operator."""
    if is_sqlite(tx):
        phrases = " AND ".join(f'"{one}"' for one in wanted)
        met = sql("SELECT rowid FROM note_words WHERE note_words MATCH :phrases").bindparams(phrases=phrases)
        return notes.c.id.in_(met.columns(column("rowid", BigInteger)))
    asked = [func.phraseto_tsquery(_SIMPLE, _folded(one)) for one in wanted]
    return and_(true(), *(_VECTOR.op("@@")(one) for one in asked))


_SIMPLE: ColumnElement[Any] = literal_column("'simple'::regconfig")
_VECTOR: ColumnElement[Any] = literal_column(WORDS)
_ACCENT = re.compile("[\u0300-\u036f]")
_MARK = re.compile(r"[!-/:-@\[-`{-~]")


def _folded(words: str) -> str:
    """What is asked of PostgreSQL, made as its index is: without accents, parted at every mark."""
    return _MARK.sub(" ", _ACCENT.sub("", unicodedata.normalize("NFD", words)))


async def found(
    tx: Tx, words: str, window: Window, now: datetime, *, author: int | None = None, offset: int = 0
) -> list[Post]:
    """Posts with all these words, newest first. Not by blocked or muted accounts, nor what waits in the request box."""
    wanted = terms(words)
    if not wanted:
        return []
    query = posts().where(
        _holds(tx, wanted),
        ~blocks.is_muted(actors.c.iri, now),
        ~(notes.c.for_owner & ~notes.c.own & blocks.waits(actors.c.iri)),
    )
    if author is not None:
        query = query.where(notes.c.author_id == author)
    return [to_post(row) for row in await windowed(tx, query.offset(offset), notes.c.id, window)]


async def hashtags(tx: Tx, beginning: str, *, limit: int, offset: int = 0) -> list[str]:
    """Hashtags of posts that are here which begin like this, folded; the shortest first, so the exact one leads."""
    if not beginning:
        return []
    if is_sqlite(tx):  # a range of the primary key; nothing sorts after the last code point there is
        begins: ColumnElement[bool] = note_tags.c.tag.between(beginning, beginning + "\U0010ffff")
    else:  # there order is a matter of the collation
        begins = note_tags.c.tag.startswith(beginning, autoescape=True)
    query = select(note_tags.c.tag).where(begins)
    query = query.group_by(note_tags.c.tag).order_by(func.length(note_tags.c.tag), note_tags.c.tag)
    return [str(tag) for tag in (await tx.execute(query.limit(limit).offset(offset))).scalars()]
