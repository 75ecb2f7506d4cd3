"""Keeps the files in order: notes what was looked at, and removes what nobody needs any more."""

from __future__ import annotations

import asyncio

from node.media.cache import RemoteMedia
from node.media.library import MediaLibrary

NOTE_EVERY = 60.0
ORDER_EVERY = 3600.0
"""Seconds."""


class MediaKeeper:
    def __init__(self, library: MediaLibrary, remote: RemoteMedia) -> None:
        self._library = library
        self._remote = remote

    async def run(self) -> None:
        """One process at a time: the node itself."""
        clock = asyncio.get_running_loop().time
        ordered = clock() - ORDER_EVERY + NOTE_EVERY  # not in the first minute, which has enough to do
        while True:
            await asyncio.sleep(NOTE_EVERY)
            await self._remote.note_use()
            if clock() - ordered >= ORDER_EVERY:
                ordered = clock()
                await self._library.keep_order()
                await self._remote.keep_order()
