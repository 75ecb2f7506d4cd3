"""Nothing changed, and the next good delivery works: what every test of an attack ends with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from tests.support.homes import Home
from tests.support.stranger import Stranger

_words = count(1)


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
    before = await home.rows()
    yield
    after = await home.rows()
    assert {name: rows for name, rows in after.items() if name not in but} == {
        name: rows for name, rows in before.items() if name not in but
    }
    await greet(home, friend)
