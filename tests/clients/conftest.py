"""Apps that people use, as they come from the package index, at a running node."""

from __future__ import annotations

import pytest

from tests.support.browser import Browser, give_password
from tests.support.homes import Home

PASSWORD = "a long and rainy summer"


@pytest.fixture
async def browser(alice: Home, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """Alice's, logged in."""
    await give_password(alice, PASSWORD, monkeypatch)
    made = Browser(alice)
    assert (await made.log_in(PASSWORD)).status == 303
    return made
