"""Other people's pictures, fetched when somebody first looks at them, and kept as long as there is room.

They are asked for by numbers of ours alone, never by an address: this is no open proxy (security.md §5).
A number is worked out from the address with a secret, so that it costs nothing to give one, it is always
the same, and nobody can guess one; the address behind it is a row, written before anybody can ask.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from node.errors import NotAllowed, NotFound, Refused, StoreError, Unreachable
from node.federation.circle import Circle
from node.federation.client import Client
from node.ids import Ids
from node.media.decode import Decoder, format_of, type_of
from node.media.files import Directory, translated
from node.media.sniff import Format
from node.model import Clock, host_of
from node.observe import count
from node.storage import lookalikes
from node.storage import remote_media as stored
from node.storage.remote_media import RemoteFile
from node.storage.store import Store
from node.waiting import ended

log = logging.getLogger("cuicui.media")

KINDS = ("attachment", "avatar", "header", "emoji")
ACCEPT = "image/webp, image/png, image/jpeg, image/gif, image/avif;q=0.8, video/*;q=0.5, audio/*;q=0.5"
IMAGE_LIMIT = 16 << 20
RECORDING_LIMIT = 40 << 20
"""Bytes of one file of others."""
TIMEOUT = 60.0
AT_ONCE = 8
PER_HOST = 2
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=7)
GONE_PAUSE = timedelta(days=1)
TOUCH_EVERY = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=180)
_KNOWN = 16_384
_EVICT_AT_ONCE = 100


class RemoteMedia:
    """The cache under `root`, of at most `most` bytes; the least used go first, avatars and emoji like all else."""

    def __init__(
        self,
        store: Store,
        client: Client,
        circle: Circle,
        decoder: Decoder,
        root: Path,
        *,
        most: int,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._store = store
        self._client = client
        self._circle = circle
        self._decoder = decoder
        self._files = Directory(root)
        self._most = most
        self._ids = ids
        self._clock = clock
        self._secret: bytes | None = None
        self._is_new = False
        self._known: OrderedDict[int, None] = OrderedDict()
        self._pending: dict[int, tuple[str, str]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._fetching: dict[int, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._used: dict[int, datetime] = {}
        self._total: int | None = None

    # ── addresses ───────────────────────────────────────────────────────────────────────────

    def address(self, url: str, kind: str = "attachment") -> str:
        """Our address for a file of somebody else's; what is ours already keeps its own.

        Asks nobody: it is cheap enough for every picture of every post. With `/preview` behind it a
        picture comes small, and still. `kind` is one of KINDS.
        """
        assert kind in KINDS
        if self._ids.is_ours(url):
            return url
        id = self.number(url)
        if id in self._known:
            self._known.move_to_end(id)
        elif id not in self._pending:
            self._pending[id] = (url, kind)
            if self._writing is None or self._writing.done():
                self._writing = asyncio.get_running_loop().create_task(self._write_soon())
        return f"{self._ids.base}/media/remote/{id}"

    def addresses(self, wanted: Iterable[tuple[str, str]]) -> dict[str, str]:
        """address() of many: (url, kind) each."""
        return {url: self.address(url, kind) for url, kind in wanted}

    def number(self, url: str) -> int:
        """63 bits that only this node can work out."""
        if self._secret is None:
            self._secret = self._read_secret()
        digest = hashlib.blake2b(url.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 1 or 1

    def _read_secret(self) -> bytes:
        """Beside what it belongs to: when the cache is deleted, all its numbers are new."""
        path = self._files.root / "secret"
        with translated(self._files.root):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(secrets.token_bytes(32))
                self._is_new = True
            except FileExistsError:
                pass
            found = path.read_bytes()
        if len(found) != 32:
            raise StoreError(f"{path} is not what it should be", hint="delete it; pictures are then fetched anew")
        return found

    async def _write_soon(self) -> None:
        await asyncio.sleep(0.05)  # a page has many pictures: one write for all of them
        try:
            await self._write()
        except StoreError as error:
            log.warning("cache not written", extra={"why": error.message})

    async def _write(self) -> None:
        async with self._lock:
            rows = [(id, url, kind) for id, (url, kind) in self._pending.items()]
            if not rows:
                return
            async with self._store.write() as tx:
                if self._is_new:
                    await stored.forget_all(tx)  # numbers of a secret that is no more
                    self._is_new = False
                for start in range(0, len(rows), 200):
                    await stored.remember(tx, rows[start : start + 200], self._clock())
            for id, _, _ in rows:
                self._pending.pop(id, None)
                self._known[id] = None
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    # ── files ───────────────────────────────────────────────────────────────────────────────

    async def open(self, id: int, *, preview: bool = False) -> tuple[Path, Format]:
        """The file behind a number, fetched if it is not here; its type is that of its bytes as they are now.

        Raises NotFound: no such number, blocked, or not to be had (then nobody is asked again for a while).
        """
        row = await self._row(id) if 0 < id < 1 << 63 else None
        if row is None or (await self._circle.blocks()).covers(row.url):
            raise _nothing()
        found = await self._here(row, preview)
        if found is None:
            if row.next_at is not None and self._clock() < row.next_at:
                raise _nothing()
            if preview and row.preview is None and await self._here(row, preview=False) is not None:
                raise _nothing()  # of a recording there is none, whatever its post calls it
            task = self._fetching.get(id)
            if task is None:
                task = asyncio.get_running_loop().create_task(self._fetch(row))
                self._fetching[id] = task
                task.add_done_callback(lambda done: self._fetched(id, done))
            await asyncio.shield(task)  # who stops looking does not stop it for the others
            row = await self._row(id)
            found = None if row is None else await self._here(row, preview)
        if found is None:
            raise _nothing()
        now = self._clock()
        if row is not None and now - row.used_at > TOUCH_EVERY:
            self._used[id] = now
        return found

    def _fetched(self, id: int, done: asyncio.Task[None]) -> None:
        self._fetching.pop(id, None)
        if not done.cancelled():
            done.exception()  # told to those who wait; there may be nobody left

    async def _row(self, id: int) -> RemoteFile | None:
        if self._pending:
            await self._write()
        async with self._store.read() as tx:
            return await stored.get(tx, id)

    async def _here(self, row: RemoteFile, preview: bool) -> tuple[Path, Format] | None:
        name = row.preview or _picture(row.file) if preview else row.file
        path = self._files.path(name) if name else None
        if name is None or path is None:
            return None
        try:
            found = await asyncio.to_thread(type_of, path)
        except OSError:
            return None
        return (path, found) if found is not None and found is format_of(name) else None

    async def _fetch(self, row: RemoteFile) -> None:
        """Fetch, check, write anew and keep; or remember that it could not be done. Raises NotFound, StoreError."""
        host = host_of(row.url)
        turn = self._hosts.setdefault(host, asyncio.Semaphore(PER_HOST))
        try:
            async with turn, self._turn:  # in this order: who waits for a slow host is in nobody else's way
                await self._keep(row)
        except (Unreachable, NotAllowed, Refused) as error:
            count("media_not_fetched")
            log.info("media not fetched", extra={"host": host, "code": error.code})
            gone = isinstance(error, NotAllowed) or (isinstance(error, Unreachable) and error.status in (404, 410))
            pause = min(
                max(FIRST_PAUSE * 4 ** min(row.failures, 8), GONE_PAUSE if gone else FIRST_PAUSE), LONGEST_PAUSE
            )
            async with self._store.write() as tx:
                await stored.failed(tx, row.id, row.failures + 1, self._clock() + pause)
            raise _nothing() from error
        finally:
            if not turn.locked():
                self._hosts.pop(host, None)

    async def _keep(self, row: RemoteFile) -> None:
        await self._circle.admit(row.url)
        recordings = row.kind == "attachment"
        with self._files.workplace() as place:
            source = place / "fetched"
            with translated(self._files.root), source.open("wb") as file:
                answer = await self._client.get(
                    row.url,
                    accept=ACCEPT,
                    sign=await self._circle.watch(row.url),
                    limit=RECORDING_LIMIT if recordings else IMAGE_LIMIT,
                    into=file.write,
                    timeout=TIMEOUT,
                )
            if answer.status != 200:
                raise Unreachable(f"{row.url} answered {answer.status}", code="http_error", status=answer.status)
            found = await asyncio.to_thread(type_of, source)
            if found is None or (found.kind != "image" and not recordings):
                raise NotAllowed(f"{row.url} is not a type of file that is shown", code="bad_media")
            if found.kind == "image":
                await self._keep_picture(row, source, found, place)
            else:
                size = source.stat().st_size
                await self._settle(row, await self._keep_file(source, found), None, found, size, None)
        count("media_fetched")

    async def _keep_picture(self, row: RemoteFile, source: Path, found: Format, place: Path) -> None:
        """Written anew, as our own are: what an app decodes, somebody has decoded before, in a cell."""
        shape = "avatar" if row.kind == "avatar" else ""
        picture = await self._decoder.decode(source, found, place, shape=shape)
        size = (place / "full").stat().st_size
        preview = None
        if row.kind != "avatar":
            size += (place / "preview").stat().st_size
            preview = await self._keep_file(place / "preview", picture.preview_format)
        file = await self._keep_file(place / "full", picture.format)
        # Of every picture: anybody may hang a face on a post before it is seen on its account.
        await self._settle(row, file, preview, picture.format, size, picture.likeness)

    async def _keep_file(self, path: Path, found: Format) -> str:
        return await asyncio.to_thread(self._files.keep, path, found.extension, durable=False)

    async def _settle(
        self, row: RemoteFile, file: str, preview: str | None, found: Format, size: int, likeness: str | None
    ) -> None:
        try:
            async with self._store.write() as tx:
                await stored.stored(
                    tx,
                    row.id,
                    file=file,
                    preview=preview,
                    media_type=found.media_type,
                    size=size,
                    likeness=likeness,
                    now=self._clock(),
                )
        except BaseException:
            self._files.drop(file, preview)
            raise
        if likeness is not None:
            await self._compare(row.url)
        self._files.drop(row.file, row.preview)  # what was there and became unreadable
        if self._total is not None:
            self._total += size - row.size
        await self._make_room()

    async def _compare(self, url: str) -> None:
        """A face is seen for the first time: somebody else's, perhaps, on an account that is not theirs."""
        faces = await self._circle.faces()
        async with self._store.write() as tx:
            anew = await lookalikes.seen(tx, self._ids.actor, url, faces)
        if anew:
            self._circle.forget_cached()

    # ── room ────────────────────────────────────────────────────────────────────────────────

    async def _make_room(self) -> None:
        """Down to nine tenths, the least used first."""
        if self._total is None:
            async with self._store.read() as tx:
                self._total = await stored.total(tx)
        if self._total <= self._most:
            return
        await self.note_use()
        while self._total > self._most * 9 // 10:
            gone: list[RemoteFile] = []
            async with self._store.write() as tx:
                for one in await stored.least_used(tx, _EVICT_AT_ONCE):
                    if self._total <= self._most * 9 // 10:
                        break
                    gone.append(one)
                    self._total -= one.size
                await stored.evict(tx, [one.id for one in gone])
            if not gone:
                self._total = 0
                return
            names = [name for one in gone for name in (one.file, one.preview)]
            await asyncio.to_thread(self._files.drop, *names)

    async def note_use(self) -> None:
        """Write down what was looked at since last time."""
        times, self._used = self._used, {}
        if times:
            async with self._store.write() as tx:
                await stored.used(tx, times)

    async def keep_order(self) -> None:
        """Forget addresses that nobody asked for in half a year, and files without a row."""
        await self.note_use()
        async with self._store.write() as tx:
            if await stored.forget(tx, self._clock() - FORGOTTEN_AFTER):
                self._known.clear()
        old = await asyncio.to_thread(lambda: list(self._files.left_over(3600.0)))
        for start in range(0, len(old), 200):
            part = old[start : start + 200]
            async with self._store.read() as tx:
                known = await stored.known_files(tx, part)
            await asyncio.to_thread(self._files.drop, *(name for name in part if name not in known))
        self._total = None

    async def forget(self, urls: Iterable[str]) -> None:
        """What showed these is not here any more: their files go.

        Something else may show the same, and anybody may name a picture of somebody else's. So its address stays, and
        what the face on it looked like, as long as those of files that there is no room for.
        """
        ids = [self.number(url) for url in set(urls) if not self._ids.is_ours(url)]
        if not ids:
            return
        async with self._store.write() as tx:
            gone = await stored.kept(tx, ids)
            await stored.evict(tx, [one.id for one in gone])
        if self._total is not None:
            self._total -= sum(one.size for one in gone)
        await asyncio.to_thread(self._files.drop, *(name for one in gone for name in (one.file, one.preview)))

    async def close(self) -> None:
        """Fetches under way are given up; nothing half-written stays."""
        await ended(task for task in (self._writing, *self._fetching.values()) if task is not None)


def _picture(name: str | None) -> str | None:
    """The file itself stands in for a preview where it is a picture."""
    found = format_of(name) if name else None
    return name if found is not None and found.kind == "image" else None


def _nothing() -> NotFound:
    return NotFound("there is no such file")
