"""The owner's media: taken in, described, hung on posts, and taken away again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from keys.multiformat import multihash_text
from node.errors import NotAllowed, NotFound
from node.ids import Ids, Snowflake
from node.media import recorded
from node.media.decode import Decoder, format_of, type_of
from node.media.files import Directory, translated
from node.media.headers import damaged
from node.media.sniff import ENOUGH, Format, sniff
from node.model import Attachment, Clock
from node.model.media import MAX_DESCRIPTION, Media
from node.storage import media as stored
from node.storage.dialect import Tx
from node.storage.store import Store

MOST_IMAGES = 4
FORGOTTEN_AFTER = timedelta(hours=24)
_WRITE = 1 << 20
_PURPOSES = ("post", "avatar", "header")
_TYPES = {"image": "Image", "gifv": "Image", "video": "Video", "audio": "Audio"}

Focus = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of an upload, by what it is."""

    image: int = 16 << 20
    recording: int = 40 << 20
    """Video and audio."""

    def of(self, found: Format) -> int:
        return self.image if found.kind == "image" else self.recording


@dataclass(frozen=True, slots=True)
class Description:
    """What is said anew of a file that hangs on a post; None leaves as it was."""

    alt: str | None = None
    focus: Focus | None = None


@dataclass(frozen=True, slots=True)
class Revised:
    """The files of a post as they are after an edit. Made by MediaLibrary.revised()."""

    files: tuple[Media, ...]
    attachments: tuple[Attachment, ...]


class MediaLibrary:
    """The files under DATA/media and their rows. Make it inside the running loop that uses it.

    A picture is decoded and written anew; video and audio are kept as they are, without what tells
    where, when and with what they were made. Nothing of the name or type that the uploader gave is used.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        decoder: Decoder,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._store = store
        self._files = Directory(root)
        self._decoder = decoder
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self.limits = limits

    # ── in ──────────────────────────────────────────────────────────────────────────────────

    async def upload(
        self, chunks: AsyncIterable[bytes], *, alt: str = "", focus: Focus | None = None, purpose: str = "post"
    ) -> Media:
        """Take a file in, piece by piece: it is never whole in memory. Ready when this returns.

        `purpose` is `post`, `avatar` or `header`. Raises NotAllowed (not a type that is taken, damaged,
        too large, the description too long), StoreError (the disk is full).
        """
        assert purpose in _PURPOSES
        alt = _described(alt)
        _check_focus(focus)
        with self._files.workplace() as place:
            source = place / "upload"
            found = await self._receive(chunks, source)
            if purpose != "post" and found.kind != "image":
                raise NotAllowed("that is not a picture", code="bad_media")
            if found.kind == "image":
                new = await self._picture(source, found, place, "" if purpose == "post" else purpose)
            else:
                new = await self._recording(source, found)
        new = replace(new, purpose=purpose, alt=alt, focus=focus)
        try:
            async with self._store.write() as tx:
                await stored.add(tx, new)
        except BaseException:
            self._files.drop(new.file, new.preview)
            raise
        return new

    async def upload_file(self, path: Path, *, alt: str = "", purpose: str = "post") -> Media:
        """Take in a file of this machine, as upload() does. Raises NotAllowed when it cannot be read."""

        async def pieces() -> AsyncIterator[bytes]:
            try:
                with path.open("rb") as file:
                    while piece := await asyncio.to_thread(file.read, _WRITE):
                        yield piece
            except OSError as error:
                raise NotAllowed(f"cannot read {path}: {error.strerror}", hint="check its name and owner") from None

        return await self.upload(pieces(), alt=alt, purpose=purpose)

    async def _receive(self, chunks: AsyncIterable[bytes], source: Path) -> Format:
        """Write what comes to `source`, as long as it is something we take and not too much of it."""
        found: Format | None = None
        pending, size = bytearray(), 0
        with translated(self._files.root), source.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                pending += chunk
                if found is None and len(pending) >= ENOUGH:
                    found = _taken(bytes(pending[:ENOUGH]))
                if found is not None and size > self.limits.of(found):
                    raise _too_many_bytes(found, self.limits)
                if len(pending) >= _WRITE:
                    await asyncio.to_thread(file.write, bytes(pending))
                    pending.clear()
            if found is None:
                found = _taken(bytes(pending[:ENOUGH]))
            if size > self.limits.of(found):
                raise _too_many_bytes(found, self.limits)
            await asyncio.to_thread(file.write, bytes(pending))
        return found

    async def _picture(self, source: Path, found: Format, place: Path, shape: str) -> Media:
        picture = await self._decoder.decode(source, found, place, shape=shape)
        new = await asyncio.to_thread(self._kept, place / "full", picture.format)
        small = place / "preview"
        size = small.stat().st_size
        preview = await asyncio.to_thread(self._files.keep, small, picture.preview_format.extension)
        return replace(
            new,
            kind="gifv" if picture.frames > 1 else "image",
            preview=preview,
            size=new.size + size,
            width=picture.width,
            height=picture.height,
            preview_width=picture.preview_width,
            preview_height=picture.preview_height,
            duration=picture.duration,
            blurhash=picture.blurhash,
        )

    async def _recording(self, source: Path, found: Format) -> Media:
        with translated(self._files.root):
            about = await asyncio.to_thread(recorded.clean, source, found)
        if await asyncio.to_thread(type_of, source) is not found:
            raise damaged()
        new = await asyncio.to_thread(self._kept, source, found)
        return replace(new, width=about.width, height=about.height, duration=about.duration)

    def _kept(self, path: Path, found: Format) -> Media:
        """A finished file under its name, with its digest. Blocks."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        size = path.stat().st_size
        now = self._clock()
        return Media(
            id=self._snowflake.mint(now),
            purpose="post",
            kind=found.kind,
            media_type=found.media_type,
            file=self._files.keep(path, found.extension),
            size=size,
            created_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            digest=multihash_text(digest),
        )

    # ── about ───────────────────────────────────────────────────────────────────────────────

    async def get(self, id: int) -> Media:
        """Raises NotFound."""
        async with self._store.read() as tx:
            found = await stored.get_many(tx, [id])
        if not found:
            raise NotFound("there is no such file")
        return found[0]

    async def describe(self, id: int, *, alt: str | None = None, focus: Focus | None = None) -> Media:
        """Say what is to be seen; None leaves it as it is. What hangs on a post is changed by editing the post.

        Raises NotFound, NotAllowed.
        """
        _check_focus(focus)
        async with self._store.write() as tx:
            found = await stored.get_many(tx, [id])
            if not found or found[0].note_id is not None:
                raise NotFound("there is no such file that waits for its post")
            new = replace(
                found[0],
                alt=found[0].alt if alt is None else _described(alt),
                focus=found[0].focus if focus is None else focus,
            )
            await stored.describe(tx, id, new.alt, new.focus)
        return new

    def attachment(self, one: Media) -> Attachment:
        """As it stands in a note; the digest binds its bytes to the signature of the note."""
        return Attachment(
            type=_TYPES[one.kind],
            media_type=one.media_type,
            url=self._ids.media(one.file),
            alt=one.alt,
            width=one.width,
            height=one.height,
            blurhash=one.blurhash,
            focus=one.focus,
            digest=one.digest,
        )

    # ── on posts ────────────────────────────────────────────────────────────────────────────

    async def attachments(self, ids: Sequence[int]) -> tuple[Attachment, ...]:
        """What a new note with these files says of them.

        Raises NotAllowed: more than four pictures or one recording, not there, or on another post.
        """
        return tuple(self.attachment(one) for one in await self._for_post(ids, None))

    async def _for_post(self, ids: Sequence[int], note_id: int | None) -> list[Media]:
        if not ids:
            return []
        async with self._store.read() as tx:
            found = await stored.get_many(tx, list(dict.fromkeys(ids)))
        free = [one for one in found if one.purpose == "post" and one.note_id in (None, note_id)]
        if len(free) != len(ids):
            raise _not_free()
        pictures = [one for one in free if one.kind in ("image", "gifv")]
        if len(pictures) > MOST_IMAGES or (len(pictures) < len(free) and len(free) > 1):
            raise NotAllowed(
                f"a post holds at most {MOST_IMAGES} pictures, or one video or sound", code="too_many_media"
            )
        return free

    async def revised(
        self,
        note_id: int,
        before: Sequence[Attachment],
        ids: Sequence[int] | None,
        described: Mapping[int, Description],
    ) -> Revised:
        """What a note has when it is edited: the files `ids` (None: those it has), some of them described anew.

        Raises NotAllowed.
        """
        if ids is None:
            async with self._store.read() as tx:
                here = (await stored.of_notes(tx, [note_id])).get(note_id, [])
            order = {one.url: place for place, one in enumerate(before)}
            files = sorted(here, key=lambda one: order.get(self._ids.media(one.file), len(order)))
        else:
            files = await self._for_post(ids, note_id)
        files = [_anew(one, described.get(one.id)) for one in files]
        return Revised(tuple(files), tuple(self.attachment(one) for one in files))

    async def settle(self, tx: Tx, note_id: int, revised: Revised) -> tuple[Media, ...]:
        """Store what revised() said; give what is returned to drop() after the commit. Raises NotAllowed."""
        await self.attach(tx, [one.id for one in revised.files], note_id)
        for one in revised.files:
            await stored.describe(tx, one.id, one.alt, one.focus)
        return await self.detach(tx, note_id, keep=[one.id for one in revised.files])

    async def attach(self, tx: Tx, ids: Sequence[int], note_id: int) -> None:
        """Hang files on the note that is stored in this transaction. Raises NotAllowed if another was quicker."""
        if ids and not await stored.attach(tx, ids, note_id):
            raise _not_free()

    async def detach(self, tx: Tx, note_id: int, *, keep: Sequence[int] = ()) -> tuple[Media, ...]:
        """The rows of a note's files go, but for those to `keep`; give what is returned to drop() after the commit."""
        gone = [one for one in (await stored.of_notes(tx, [note_id])).get(note_id, ()) if one.id not in keep]
        await stored.remove(tx, [one.id for one in gone])
        return tuple(gone)

    async def withdraw(self, tx: Tx, note_id: int) -> None:
        """Nobody sees the files of a note any more; for a day they may be hung on another, then they go."""
        await stored.withdraw(tx, note_id, self._clock())

    async def drop(self, gone: Sequence[Media]) -> None:
        """Remove the files of rows that are no more."""
        await asyncio.to_thread(self._files.drop, *(name for one in gone for name in (one.file, one.preview)))

    async def delete(self, id: int) -> None:
        """Take back a file that hangs on no post. Raises NotFound, NotAllowed."""
        async with self._store.write() as tx:
            found = await stored.get_many(tx, [id])
            if not found:
                raise NotFound("there is no such file")
            if found[0].note_id is not None:
                raise NotAllowed("it hangs on a post", hint="edit or delete the post", code="media_in_use")
            await stored.remove(tx, [id])
        await self.drop(found)

    # ── out ─────────────────────────────────────────────────────────────────────────────────

    async def open_file(self, name: str) -> tuple[Path, Format] | None:
        """Where a file of this name lies, and its type by its bytes as they are now; None when there is none.

        The name is all that is asked for: it cannot be guessed, so who has it was given it.
        """
        path, said = self._files.path(name), format_of(name)
        if path is None or said is None:
            return None
        async with self._store.read() as tx:
            if name not in await stored.known_files(tx, [name], shown=True):
                return None
        try:
            found = await asyncio.to_thread(type_of, path)
        except OSError:
            return None
        return (path, said) if found is said else None

    async def keep_order(self) -> int:
        """Remove what was uploaded a day ago and never posted, and files without a row; how many went."""
        before = self._clock() - FORGOTTEN_AFTER
        async with self._store.write() as tx:
            gone = await stored.forgotten(tx, before)
            await stored.remove(tx, [one.id for one in gone])
        await self.drop(gone)
        old = await asyncio.to_thread(lambda: list(self._files.left_over(FORGOTTEN_AFTER.total_seconds())))
        stray: list[str] = []
        async with self._store.read() as tx:
            for start in range(0, len(old), 200):
                part = old[start : start + 200]
                known = await stored.known_files(tx, part)
                stray += [name for name in part if name not in known]
        await asyncio.to_thread(self._files.drop, *stray)
        return len(gone) + len(stray)


def _taken(head: bytes) -> Format:
    found = sniff(head)
    if found is None:
        raise NotAllowed(
            "this is not a type of file that is taken",
            hint="pictures: JPEG, PNG, GIF, WebP, AVIF, HEIC; recordings: MP4, MOV, WebM, MP3, M4A, Ogg, FLAC, WAV",
            code="bad_media",
        )
    return found


def _too_many_bytes(found: Format, limits: Limits) -> NotAllowed:
    most = limits.of(found) >> 20
    return NotAllowed(f"this file is larger than {most} MiB", hint="make it smaller", code="media_too_large")


def _described(alt: str) -> str:
    alt = alt.strip()
    if len(alt) > MAX_DESCRIPTION:
        raise NotAllowed(f"a description of {len(alt)} characters; {MAX_DESCRIPTION} is the most", code="too_long")
    return alt


def _anew(one: Media, said: Description | None) -> Media:
    if said is None:
        return one
    _check_focus(said.focus)
    alt = one.alt if said.alt is None else _described(said.alt)
    return replace(one, alt=alt, focus=one.focus if said.focus is None else said.focus)


def _check_focus(focus: Focus | None) -> None:
    if focus is not None and not all(-1 <= value <= 1 for value in focus):
        raise NotAllowed("the focus is two numbers from -1 to 1", hint="an example: 0.0,0.5")


def _not_free() -> NotAllowed:
    return NotAllowed("one of these files is not here, or hangs on a post already", code="bad_media")
