from __future__ import annotations

import pytest

from tests.support.client import Client
from tests.support.homes import Home


@pytest.fixture
async def app(alice: Home) -> Client:
    """Alice's app."""
    return await Client.of(alice)


@pytest.fixture
def anybody(alice: Home) -> Client:
    """Somebody without a token, at Alice's node."""
    return Client(alice, None)
