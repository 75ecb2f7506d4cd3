"""Statuses that the owner writes now and publishes later: kept in the store, so that they outlive a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from node import text
from node.errors import NotAllowed, NotFound
from node.events import Events
from node.ids import Snowflake
from node.model import Clock, Draft, Iri, PollDraft, QuotePolicy, Tell, Visibility, Window
from node.owner import Owner
from node.storage import chores, scheduled
from node.storage.scheduled import Scheduled
from node.storage.store import Store

SOONEST = timedelta(minutes=5)
MOST = 300


class Schedule:
    """What waits for its time. `due` is the errand that publishes it."""

    def __init__(self, store: Store, owner: Owner, events: Events, *, snowflake: Snowflake, clock: Clock) -> None:
        self._store = store
        self._owner = owner
        self._events = events
        self._snowflake = snowflake
        self._clock = clock

    async def plan(self, draft: Draft, at: datetime) -> Scheduled:
        """Publish a draft at `at`. One that was planned under the same word before stays the one there is.

        Raises NotAllowed (less than five minutes from now, too many), TooLong.
        """
        now = self._clock()
        self._check(at, now)
        text.check_length(draft.text, draft.warning)
        new = Scheduled(self._snowflake.mint(now), at, packed(draft))
        async with self._store.write() as tx:
            if draft.once is not None:
                number = await scheduled.posted_before(tx, draft.once)
                before = None if number is None else await scheduled.get(tx, number)
                if before is not None:
                    return before
                await scheduled.remember(tx, draft.once, new.id, now)
            if await scheduled.count(tx) >= MOST:
                raise NotAllowed(f"{MOST} posts are scheduled already")
            await scheduled.add(tx, new)
            await chores.plan(tx, chores.SCHEDULED, str(new.id), at)
        self._events.publish([Tell("errand", str(new.id))])
        return new

    async def listed(self, window: Window) -> list[Scheduled]:
        async with self._store.read() as tx:
            return await scheduled.listed(tx, window)

    async def get(self, identifier: int) -> Scheduled:
        """Raises NotFound."""
        async with self._store.read() as tx:
            found = await scheduled.get(tx, identifier)
        if found is None:
            raise NotFound("Record not found")
        return found

    async def move(self, identifier: int, at: datetime) -> Scheduled:
        """To another time. Raises NotFound, NotAllowed."""
        self._check(at, self._clock())
        await self.get(identifier)
        async with self._store.write() as tx:
            await scheduled.move(tx, identifier, at)
            await chores.plan(tx, chores.SCHEDULED, str(identifier), at, earlier=False)
        self._events.publish([Tell("errand", str(identifier))])
        return await self.get(identifier)

    async def cancel(self, identifier: int) -> None:
        """Raises NotFound."""
        async with self._store.write() as tx:
            if not await scheduled.remove(tx, identifier):
                raise NotFound("Record not found")
            await chores.forget(tx, chores.SCHEDULED, str(identifier))

    async def due(self, iri: Iri, last: bool) -> None:
        """Its time has come. Killed half-way, it is published once all the same: its number is its word."""
        async with self._store.read() as tx:
            waiting = await scheduled.get(tx, int(iri))
        if waiting is None or waiting.problem is not None:
            return
        try:
            await self._owner.post(unpacked(waiting))
        except Exception as error:
            if not last and not isinstance(error, NotAllowed | NotFound):
                raise
            # What it answers is gone, for example, or it was tried for hours: the owner decides.
            async with self._store.write() as tx:
                await scheduled.put_aside(tx, waiting.id, _said(error))
            return
        async with self._store.write() as tx:
            await scheduled.remove(tx, waiting.id)

    @staticmethod
    def _check(at: datetime, now: datetime) -> None:
        if at < now + SOONEST:
            raise NotAllowed("Validation failed: Scheduled at The scheduled date must be in the future")


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:500]


def packed(draft: Draft) -> dict[str, Any]:
    """A draft as JSON."""
    poll = draft.poll
    return {
        "text": draft.text,
        "visibility": draft.visibility.value,
        "in_reply_to": draft.in_reply_to,
        "warning": draft.warning,
        "language": draft.language,
        "sensitive": draft.sensitive,
        "quote": draft.quote,
        "quote_policy": draft.quote_policy.value if draft.quote_policy else None,
        "media_ids": [str(one) for one in draft.media],
        "poll": None
        if poll is None
        else {"choices": list(poll.choices), "multiple": poll.multiple, "seconds": int(poll.lasts.total_seconds())},
    }


def unpacked(waiting: Scheduled) -> Draft:
    kept = waiting.params
    poll = kept["poll"]
    return Draft(
        kept["text"],
        visibility=Visibility(kept["visibility"]),
        in_reply_to=Iri(kept["in_reply_to"]) if kept["in_reply_to"] else None,
        warning=kept["warning"],
        language=kept["language"],
        sensitive=kept["sensitive"],
        quote=Iri(kept["quote"]) if kept["quote"] else None,
        quote_policy=QuotePolicy(kept["quote_policy"]) if kept["quote_policy"] else None,
        poll=None
        if poll is None
        else PollDraft(tuple(poll["choices"]), poll["multiple"], timedelta(seconds=poll["seconds"])),
        media=tuple(int(one) for one in kept["media_ids"]),
        once=f"scheduled:{waiting.id}",
    )
