from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.filled import House, furnish, leave, open_doors


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A node of Ada's, believing itself to be https://ada.example, reached on loopback."""
    made = await furnish(tmp_path)
    server = await open_doors(made)
    yield made
    await leave(made, server)
