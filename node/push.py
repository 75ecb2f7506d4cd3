"""Web Push, sent: what is owed becomes a message to the app's push service, until it was taken or is no news any more.

Through the one door out, like every delivery: a push service is an address that a stranger's app named.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from node.errors import BadKey, Unreachable
from node.events import Events
from node.federation.client import Client
from node.federation.schedule import BACKOFF, retry_after, wished
from node.ids import Ids
from node.keyring import OwnKeys
from node.model import Clock, Tell, host_of
from node.notify import body, title
from node.observe import count
from node.storage import actors, notifications
from node.storage import push as stored
from node.storage.push import TTL, Job
from node.storage.store import Store
from node.waiting import ended, told

log = logging.getLogger("cuicui.push")

AT_ONCE = 8
TIMEOUT = 15.0
GONE = (404, 410)
"""RFC 8030 §7.3: the subscription is no more."""

BUSY = (408, 425, 429)
TOKENS = 256
"""Access tokens that are known while this process runs."""


class Pusher:
    """Sends what is owed to apps. One per node, in the process that serves."""

    def __init__(self, store: Store, client: Client, keys: OwnKeys, events: Events, *, ids: Ids, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._keys = keys
        self._ids = ids
        self._clock = clock
        self._wake = asyncio.Event()
        self._values: OrderedDict[str, str] = OrderedDict()
        self._contact = ids.base if ids.base.startswith("https:") else f"mailto:{ids.handle}@{ids.host}"
        events.subscribe(self._hear)

    def _hear(self, tell: Tell) -> None:
        if tell.kind in ("notification", "foreign"):
            self._wake.set()
        if tell.kind == "tokens":  # taken back
            for hash_ in tell.subject.split():
                self._values.pop(hash_, None)

    def met(self, hash_: str, value: str) -> None:
        """An app showed its token: its messages can name it, until the node stops. It is written down nowhere."""
        self._values[hash_] = value
        self._values.move_to_end(hash_)
        if len(self._values) > TOKENS:
            self._values.popitem(last=False)

    async def run(self) -> None:
        """Until cancelled. What a predecessor held is free again first."""
        released, under_way = False, dict[int, asyncio.Task[None]]()
        try:
            while True:
                self._wake.clear()
                async with self._store.read() as tx:
                    due = await stored.next_due(tx, but=under_way)
                if due is not None and not released:
                    async with self._store.write() as tx:
                        await stored.release(tx)
                released = True
                now = self._clock()
                if due is not None and due <= now and await self._begin(under_way):
                    continue
                pause = None if due is None else max(1.0, min(60.0, (due - now).total_seconds()))
                await told(self._wake, pause)
        finally:
            await ended(under_way.values())

    async def _begin(self, under_way: dict[int, asyncio.Task[None]]) -> bool:
        """Send some, each app its own: one whose service does not answer keeps no other waiting. False for none."""
        async with self._store.write() as tx:
            jobs = await stored.claim(tx, self._clock(), AT_ONCE, but=under_way)
        for app in {job.subscription.id for job in jobs}:
            owed = [job for job in jobs if job.subscription.id == app]
            under_way[app] = asyncio.create_task(self._send_some(owed, app, under_way), name="push")
        return bool(jobs)

    async def _send_some(self, jobs: list[Job], app: int, under_way: dict[int, asyncio.Task[None]]) -> None:
        try:
            done = await asyncio.gather(*(self._send(job) for job in jobs), return_exceptions=True)
        finally:
            del under_way[app]
            self._wake.set()
        for job, error in zip(jobs, done, strict=True):
            if isinstance(error, Exception):  # it is free again when its lease ends
                log.error("push failed", exc_info=error, extra={"host": host_of(job.subscription.endpoint)})

    async def _send(self, job: Job) -> None:
        left = job.created_at + TTL - self._clock()
        if left <= timedelta():
            count("push.expired")
            await self._done(job)
            return
        text = await self._text(job)
        if text is None:  # taken back, muted or blocked since
            await self._done(job)
            return
        try:
            sealed, headers = await asyncio.to_thread(self._sealed, job, text)
        except (BadKey, ValueError):
            log.warning("push subscription with a key that is none", extra={"host": host_of(job.subscription.endpoint)})
            await self._drop(job)
            return
        headers |= {
            "Content-Type": "application/octet-stream",
            "TTL": str(int(left.total_seconds())),
            "Urgency": "normal",
        }
        try:
            answer = await self._client.post(job.subscription.endpoint, sealed, headers, timeout=TIMEOUT)
        except Unreachable as error:
            inside = error.code == "refused_address" and _is_address(job.subscription.endpoint)
            if inside or not self._client.may_ask(job.subscription.endpoint):
                await self._drop(job)
                return
            await self._again(job, error.message, error.retry_after)
            return
        except Exception as error:  # a defect of ours must not stop the loop, nor lose the row
            log.exception("push failed", extra={"host": host_of(job.subscription.endpoint)})
            await self._again(job, f"{type(error).__name__}: {error}", None)
            return
        if 200 <= answer.status < 300:
            count("push.sent")
            await self._done(job)
            return
        if answer.status in GONE:
            await self._drop(job)
            return
        if answer.status in BUSY or answer.status >= 500:
            wish = wished(answer.headers.get("Retry-After"), self._clock())
            await self._again(job, f"answered {answer.status}", wish)
            return
        count("push.refused")
        log.warning("push refused", extra={"host": host_of(job.subscription.endpoint), "status": answer.status})
        await self._done(job)

    async def _text(self, job: Job) -> bytes | None:
        """What the app is told; None when there is nothing to tell any more.

        The app's own access token goes in, by which apps with several accounts find theirs, as Mastodon does.
        Tokens are kept here as hashes only: before the app called once since the node started, the field is there
        (apps cannot read a message without it) and empty.
        """
        async with self._store.read() as tx:
            found = await notifications.get(tx, job.notification, self._clock())
            if found is None:
                return None
            who = await actors.get(tx, found.actor)
            post = (await notifications.posts_of(tx, [found])).get(found.note_id or 0)
        name = (who.actor.name or who.actor.handle) if who is not None else host_of(found.actor)
        said = {
            "access_token": self._values.get(job.subscription.token, ""),
            "preferred_locale": "en",
            "notification_id": found.id,
            "notification_type": found.kind.shown,
            "icon": f"{self._ids.base}/static/avatar.png",
            "title": title(found.kind, name),
            "body": body(post.note if post is not None else None),
        }
        return json.dumps(said, ensure_ascii=False).encode()

    def _sealed(self, job: Job, text: bytes) -> tuple[bytes, dict[str, str]]:
        """In a thread. Raises BadKey. Its module is loaded with the first push."""
        from node.webpush import Receiver, message

        to = job.subscription
        made = message(
            text,
            Receiver.parse(to.p256dh, to.auth),
            self._keys.push,
            endpoint=to.endpoint,
            contact=self._contact,
            now=self._clock(),
            standard=to.standard,
        )
        return made.body, made.headers

    # ── afterwards ───────────────────────────────────────────────────────────────────────────

    async def _done(self, job: Job) -> None:
        async with self._store.write() as tx:
            await stored.done(tx, job.id)

    async def _drop(self, job: Job) -> None:
        """Nobody listens there: the subscription goes, and what else it is owed."""
        count("push.gone")
        log.info("push subscription gone", extra={"host": host_of(job.subscription.endpoint)})
        async with self._store.write() as tx:
            await stored.drop(tx, job.subscription.id)

    async def _again(self, job: Job, why: str, wish: float | None) -> None:
        count("push.retried")
        pause = retry_after(wish) or BACKOFF[min(job.attempts, len(BACKOFF) - 1)]
        async with self._store.write() as tx:
            await stored.retry(tx, job.id, self._clock() + pause, why)


def _is_address(endpoint: str) -> bool:
    """Whether its host is an address itself: where a name leads may be another place the next time."""
    try:
        ip_address(urlsplit(endpoint).hostname or "")
    except ValueError:
        return False
    return True
