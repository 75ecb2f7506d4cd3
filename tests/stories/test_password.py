"""The owner's password: argon2id, renewed as its parameters are, and what a new one ends."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher

from node.errors import NotAllowed
from node.storage import profile, sessions
from tests.support.homes import Home


async def _hash(home: Home) -> str | None:
    async with home.node.store.read() as tx:
        return await profile.password_hash(tx)


async def test_there_is_no_password_until_one_is_set(alice: Home) -> None:
    """A check that has nothing to check against says no."""
    assert await _hash(alice) is None
    assert not await alice.node.owner.check_password("")
    assert not await alice.node.owner.check_password("correct horse")


async def test_the_right_password_and_no_other(alice: Home) -> None:
    """security.md §7: argon2id; nothing of the password itself is kept."""
    await alice.node.owner.set_password("correct horse")
    kept = await _hash(alice)
    assert kept is not None
    assert kept.startswith("$argon2id$")
    assert "correct" not in kept
    tried = ["correct horse", "correct hors", "Correct horse", "", "correct horse" * 1000]
    said = await asyncio.gather(*(alice.node.owner.check_password(one) for one in tried))
    assert said == [True, False, False, False, False]


async def test_a_password_that_is_none_changes_nothing(alice: Home) -> None:
    """Too short to be one, or too long to be typed: the old one stays."""
    await alice.node.owner.set_password("correct horse")
    kept = await _hash(alice)
    for password in ("", "short", "x" * 1025):
        with pytest.raises(NotAllowed):
            await alice.node.owner.set_password(password)
        assert await _hash(alice) == kept, password[:9]
    assert await alice.node.owner.check_password("correct horse")


async def test_an_old_hash_is_renewed_at_the_next_login(alice: Home) -> None:
    """Parameters grow with the years; a wrong password renews nothing."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    async with alice.node.store.write() as tx:
        await profile.set_password_hash(tx, weak)
    assert not await alice.node.owner.check_password("wrong horse")
    assert await _hash(alice) == weak
    assert await alice.node.owner.check_password("correct horse")
    assert await _hash(alice) != weak
    assert await alice.node.owner.check_password("correct horse")


async def test_a_new_password_logs_browsers_out(alice: Home) -> None:
    """Whoever sat in front of one that is still logged in does not stay because of it."""
    now = alice.clock()
    async with alice.node.store.write() as tx:
        await sessions.add(tx, sessions.Session("hash", "a browser", now, now))
    await alice.node.owner.set_password("correct horse")
    async with alice.node.store.read() as tx:
        assert await sessions.everything(tx, since=now) == []
