"""Streaming: one subscription over what happens, and two ways to write it down (SSE, WebSocket).

Each piece of news is looked up and rendered once, however many streams are open; nothing is
looked up while none is. A stream belongs to a token: it ends with it, at once when the token is
revoked here, within a minute whoever revoked it (security.md §7).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from node.events import Events
from node.model import Clock, Tell
from node.observe import count
from node.storage import lists, tokens
from node.storage import streams as stored
from node.storage.lists import Place
from node.storage.store import Store
from node.storage.streams import Placed

log = logging.getLogger("cuicui.streaming")

Channel = tuple[str, ...]
"""What is listened to: `("user",)`, `("hashtag", "tea")`, `("list", "12")`."""

PLAIN = frozenset(
    [
        *("user", "user:notification", "direct", "public", "public:media"),
        *("public:local", "public:local:media", "public:remote", "public:remote:media"),
    ]
)
TAGS = ("hashtag", "hashtag:local")

MOST_WAITING = 100
"""Pieces of news that wait for a slow reader; beyond it the stream is closed, and the app asks for what it missed."""

MOST_STREAMS = 1_000
MOST_CHANNELS = 20
"""Of one stream."""

MOST_PENDING = 2_000
HEARTBEAT = 15.0
"""Seconds between two signs of life."""

RECHECK = 60.0
"""Seconds between two looks at whether the tokens are still good."""

SILENT = 100.0
"""Seconds without an answer to our pings, after which nobody is there (WebSocket)."""

OVERLAP = timedelta(seconds=5)
"""How long a transaction of another process may have taken before its writing is seen."""

_EDITS = ("edit", "poll_counts", "vote", "quote")

Render = Callable[[int], Awaitable[bytes | None]]


def channel(name: str, *, tag: str = "", list_: str = "") -> Channel | None:
    """The channel that an app names; None when there is no such."""
    if name in PLAIN:
        return (name,)
    if name in TAGS and tag.strip():
        return (name, tag.strip().removeprefix("#").casefold()[:100])
    if name == "list" and list_.isascii() and list_.isdigit() and len(list_) <= 19:
        return (name, list_)
    return None


class News:
    """One event, written down once for all streams that carry it."""

    __slots__ = ("_sse", "_ws", "name", "payload")

    def __init__(self, name: str, payload: str | None = None) -> None:
        self.name = name
        self.payload = payload
        self._sse: bytes | None = None
        self._ws: dict[Channel, bytes] = {}

    def sse(self) -> bytes:
        if self._sse is None:  # JSON has no line breaks in it, so one `data:` line holds it
            self._sse = f"event: {self.name}\ndata: {self.payload or ''}\n\n".encode()
        return self._sse

    def ws(self, channel: Channel) -> bytes:
        found = self._ws.get(channel)
        if found is None:
            frame: dict[str, object] = {"stream": list(channel), "event": self.name}
            if self.payload is not None:
                frame["payload"] = self.payload
            found = self._ws[channel] = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()
        return found


THUMP = News("thump")


class Stream:
    """One connection. `next` gives what to write, None when it is over; `abort` cuts a reader that takes nothing."""

    __slots__ = ("_abort", "_queue", "_wake", "channels", "closed", "heard_at", "hears", "is_ws", "token")

    def __init__(self, token: str, *, hears: bool, is_ws: bool, abort: Callable[[], None], now: float) -> None:
        self.token = token
        self.hears = hears
        """Whether it may carry notifications."""
        self.is_ws = is_ws
        self.channels: set[Channel] = set()
        self.closed = False
        self.heard_at = now
        self._abort = abort
        self._queue: deque[bytes] = deque()
        self._wake: asyncio.Future[None] | None = None

    def put(self, frame: bytes) -> None:
        if self.closed:
            return
        if len(self._queue) >= MOST_WAITING:
            count("streaming.too_slow")
            self.close(at_once=True)
            return
        self._queue.append(frame)
        self._stir()

    async def next(self) -> bytes | None:
        while not self._queue and not self.closed:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        return None if self.closed else self._queue.popleft()

    def close(self, *, at_once: bool = False) -> None:
        """Nothing more is written. A reader that stalls (or `at_once`) is cut off."""
        if self.closed:
            return
        stalled = self._wake is None and bool(self._queue)
        self.closed = True
        self._queue.clear()
        self._stir()
        if at_once or stalled:
            self._abort()

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Streams:
    """All streams of one node. Costs nothing while there are none."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        *,
        render_status: Render,
        render_notification: Render,
        render_conversation: Render,
    ) -> None:
        self._store = store
        self._clock = clock
        self._render_status = render_status
        self._render_notification = render_notification
        self._render_conversation = render_conversation
        self._open: set[Stream] = set()
        self._by_channel: dict[Channel, set[Stream]] = {}
        self._pending: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._sent: OrderedDict[tuple[str, int, int], None] = OrderedDict()
        self._looked: datetime = clock()
        self._task: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        events.subscribe(self._hear)

    def __len__(self) -> int:
        return len(self._open)

    # ── streams come and go ──────────────────────────────────────────────────────────────────

    def open(self, token: str, *, hears: bool, is_ws: bool, abort: Callable[[], None]) -> Stream | None:
        """None when too many are open."""
        if len(self._open) >= MOST_STREAMS:
            return None
        if not self._open:
            self._looked = self._clock()
            self._keeper = asyncio.create_task(self._keep(), name="streams")
        stream = Stream(token, hears=hears, is_ws=is_ws, abort=abort, now=asyncio.get_running_loop().time())
        self._open.add(stream)
        return stream

    def listen(self, stream: Stream, to: Channel) -> bool:
        """False when it listens to too much already."""
        if len(stream.channels) >= MOST_CHANNELS and to not in stream.channels:
            return False
        stream.channels.add(to)
        self._by_channel.setdefault(to, set()).add(stream)
        return True

    def ignore(self, stream: Stream, to: Channel) -> None:
        stream.channels.discard(to)
        there = self._by_channel.get(to)
        if there is not None:
            there.discard(stream)
            if not there:
                del self._by_channel[to]

    def leave(self, stream: Stream) -> None:
        """The connection is over."""
        for one in tuple(stream.channels):
            self.ignore(stream, one)
        self._open.discard(stream)
        stream.close()
        if not self._open:
            self._pending.clear()
            self._sent.clear()
            if self._keeper is not None:
                self._keeper.cancel()
                self._keeper = None

    def revoked(self, hashes: Iterable[str]) -> None:
        """These tokens are good no more; with none named, each is looked at anew."""
        gone = set(hashes)
        if not gone and self._open:
            self._later("recheck", "")
        for stream in [stream for stream in self._open if stream.token in gone]:
            stream.close()

    async def close(self) -> None:
        """The node stops."""
        for stream in tuple(self._open):
            stream.close(at_once=True)
        for task in (self._keeper, self._task):
            if task is not None:
                task.cancel()

    # ── signs of life ────────────────────────────────────────────────────────────────────────

    async def _keep(self) -> None:
        """One timer for all: heartbeats, and a look at the tokens every minute."""
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            await asyncio.sleep(HEARTBEAT)
            for stream in tuple(self._open):
                if stream.is_ws and loop.time() - stream.heard_at > SILENT:
                    stream.close(at_once=True)
                else:
                    stream.put(b"")
            if loop.time() - checked >= RECHECK:
                checked = loop.time()
                self._later("recheck", "")

    async def _recheck(self) -> None:
        held = {stream.token for stream in self._open}
        async with self._store.read() as tx:
            good = await tokens.exist(tx, list(held))
        for stream in tuple(self._open):
            if stream.token not in good:
                stream.close()

    # ── news ─────────────────────────────────────────────────────────────────────────────────

    def _hear(self, tell: Tell) -> None:
        if self._open and tell.kind in _HEARD:
            self._later(tell.kind, tell.subject)

    def _later(self, kind: str, subject: str) -> None:
        self._pending[kind, subject] = None
        if len(self._pending) > MOST_PENDING:
            self._pending.popitem(last=False)
            count("streaming.dropped")
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="streaming")

    async def _work(self) -> None:
        """In order, and everything that waits together."""
        try:
            while self._pending and self._open:
                batch, self._pending = list(self._pending), OrderedDict()
                try:
                    await self._spread(batch)
                except Exception:  # news that cannot be told must not silence what comes after it
                    log.exception("could not tell the streams", extra={"count": len(batch)})
        finally:
            self._task = None

    async def _spread(self, batch: list[tuple[str, str]]) -> None:
        if ("recheck", "") in batch:
            await self._recheck()
        if ("foreign", "") in batch:
            batch = [*batch, *await self._foreign()]
        numbers = {(kind, int(subject)) for kind, subject in batch if subject.isascii() and subject.isdigit()}
        now = self._clock()
        posts = {number for kind, number in numbers if kind == "note" or kind in _EDITS}
        entries = {number for kind, number in numbers if kind == "home"}
        async with self._store.read() as tx:
            placed = {one.id: one for one in await stored.posts(tx, posts, now)} if posts else {}
            placed |= {one.id: one for one in await stored.boosts(tx, entries, now)} if entries else {}
            listed = await lists.places(tx, [one.id for one in placed.values() if one.at_home]) if placed else {}
        for kind, subject in batch:
            await asyncio.sleep(0)  # those who read take the last out first: only who does not is too slow
            if kind == "filters_changed":
                self._send(News("filters_changed"), [("user",)])
            elif not subject.isdigit():
                continue
            elif kind == "delete":
                self._send(News("delete", subject), [one for one in self._by_channel if one != ("user:notification",)])
            elif kind == "notification":
                await self._tell_notification(int(subject))
            elif (one := placed.get(int(subject))) is not None:
                await self._tell_post(kind, one, listed.get(one.id, Place()))

    async def _tell_post(self, kind: str, one: Placed, place: Place) -> None:
        if kind in ("note", "home") and not self._first("post", one.id):
            return
        if one.direct and ("direct",) in self._by_channel:
            thread = await self._render_conversation(one.id)
            if thread is not None:
                self._send(News("conversation", thread.decode()), [("direct",)])
        wanted = [to for to in _channels(one, place) if to in self._by_channel]
        body = await self._render_status(one.id) if wanted else None
        if body is not None:
            self._send(News("status.update" if kind in _EDITS else "update", body.decode()), wanted)

    async def _tell_notification(self, number: int) -> None:
        wanted = [to for to in (("user",), ("user:notification",)) if to in self._by_channel]
        if not wanted or not self._first("notification", number):
            return
        body = await self._render_notification(number)
        if body is not None:
            self._send(News("notification", body.decode()), wanted)

    def _send(self, news: News, to: Iterable[Channel]) -> None:
        for one in to:
            for stream in tuple(self._by_channel.get(one, ())):
                if news.name != "notification" or stream.hears:
                    stream.put(news.ws(one) if stream.is_ws else news.sse())

    def _first(self, kind: str, number: int, at: int = 0) -> bool:
        """Whether this was not told before: what this process wrote is seen again among what others did."""
        if (kind, number, at) in self._sent:
            return False
        self._sent[kind, number, at] = None
        if len(self._sent) > 2 * MOST_PENDING:
            self._sent.popitem(last=False)
        return True

    async def _foreign(self) -> list[tuple[str, str]]:
        """What another process wrote (the command line, a worker) since the last look."""
        then, self._looked = self._looked, self._clock() - OVERLAP
        async with self._store.read() as tx:
            news = await stored.since(tx, then)
        found = [("note", str(number)) for number in news.posts]
        found += [("home", str(number)) for number in news.boosts]
        found += [("edit", str(number)) for number, at in news.edits if self._first("edit", number, at)]
        return found + [("notification", str(number)) for number in news.notifications]


_HEARD = frozenset(["note", "home", "delete", "notification", "foreign", "filters_changed", *_EDITS])


def _channels(one: Placed, place: Place) -> list[Channel]:
    """Where an entry belongs."""
    found: list[Channel] = []
    if one.at_home:
        found += [*([] if place.apart else [("user",)]), *(("list", str(number)) for number in place.lists)]
    if one.public:
        side = "public:local" if one.own else "public:remote"
        found += [("public",), (side,)]
        if one.has_media:
            found += [("public:media",), (f"{side}:media",)]
    for tag in sorted(one.hashtags):
        found.append(("hashtag", tag))
        if one.own:
            found.append(("hashtag:local", tag))
    return found
