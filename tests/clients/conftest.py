"""Apps that people use, as they come from the package index, at a running node."""

from __future__ import annotations

import pytest

from node import passwords
from node.storage import profile
from tests.support.browser import Browser
from tests.support.homes import Home

PASSWORD = "a long and rainy summer"


@pytest.fixture
async def browser(alice: Home) -> Browser:
    """Alice's, logged in."""
    async with alice.node.store.write() as tx:
        await profile.set_password_hash(tx, passwords.hashed(PASSWORD))
    made = Browser(alice)
    assert (await made.log_in(PASSWORD)).status == 303
    return made
