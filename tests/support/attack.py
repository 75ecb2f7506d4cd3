"""Nothing changed, and the next good delivery works: what every test of an attack ends with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import count

from tests.support.homes import Home
from tests.support.stranger import Reply, Stranger

_words = count(1)

Attack = tuple[str, Callable[[], Awaitable[Reply]], tuple[int, str | None]]
"""Its name, how it is done, and how it is answered."""


async def greet(home: Home, friend: Stranger, **how: str) -> None:
    """A good delivery: accepted, and there."""
    words = f"good morning number {next(_words)}"
    reply = await friend.deliver(friend.say(words, home.node.ids.actor), home.base, **how)  # type: ignore[arg-type]
    assert reply.verdict == (202, None)
    assert await home.shows(words)


@asynccontextmanager
async def nothing_changes(home: Home, friend: Stranger, *, but: tuple[str, ...] = ()) -> AsyncIterator[None]:
    """What happens inside leaves every table as it was; afterwards a friend is heard as before.

    The friend is met before, so that their key is known. `but` names tables that may grow: those of
    accounts and keys, when the attacker is one whom the node meets by looking up a key.
    """
    await greet(home, friend)
    await home.quiet()
    await home.idle()  # what is sent and fetched after a follow is no part of it
    before = await home.rows()
    yield
    after = await home.rows()
    changed = {name: rows - before[name] for name, rows in after.items() if rows != before[name] and name not in but}
    assert not changed, changed
    await greet(home, friend)


async def each_leaves_nothing(
    home: Home, friend: Stranger, attacks: Iterable[Attack], *, but: tuple[str, ...] = ()
) -> None:
    """Each is answered as it should be, and leaves every table as it was: so one node is enough for all of them.

    What went wrong is told at the end, by name: one failure does not hide the others.
    """
    wrong = []
    async with nothing_changes(home, friend, but=but):
        before = await home.rows()
        for name, attack, answer in attacks:
            found = (await attack()).verdict
            if found != answer:
                wrong.append(f"{name}: answered {found}, not {answer}")
            after = await home.rows()
            wrong += [
                f"{name}: {after[table] - before[table]:+} in {table}"
                for table in before
                if after[table] != before[table] and table not in but
            ]
            before = after
        assert not wrong, "\n".join(wrong)
