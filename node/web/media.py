"""Serving files: the owner's by their names, other people's by our own numbers; never by an address."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from node.errors import NotFound
from node.media.cache import RemoteMedia
from node.media.library import MediaLibrary
from node.media.sniff import Format

HEADERS = {
    # Nothing in a file is ever a page of ours, whatever a browser makes of it (security.md §8).
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",  # apps in browsers draw pictures on canvases
}
FOREVER = "public, max-age=31536000, immutable"
"""A name stands for one file; another version has another name."""

A_WEEK = "public, max-age=604800"


class MediaPages:
    """GET of files."""

    def __init__(self, library: MediaLibrary, remote: RemoteMedia) -> None:
        self._library = library
        self._remote = remote

    async def own(self, request: web.Request) -> web.StreamResponse:
        """GET /media/NAME: whoever has the name was given it (it has 128 random bits)."""
        _check_times(request)
        found = await self._library.open_file(request.match_info["name"])
        if found is None:
            raise NotFound("there is no such file")
        return file_response(*found, caching=FOREVER)

    async def others(self, request: web.Request) -> web.StreamResponse:
        """GET /media/remote/NUMBER: somebody else's file, fetched if need be; a number cannot be guessed."""
        return await self._other(request, preview=False)

    async def others_small(self, request: web.Request) -> web.StreamResponse:
        """GET /media/remote/NUMBER/preview: the same, small and still."""
        return await self._other(request, preview=True)

    async def _other(self, request: web.Request, *, preview: bool) -> web.StreamResponse:
        _check_times(request)
        number = request.match_info["id"]
        found = await self._remote.open(int(number), preview=preview)
        return file_response(*found, caching=A_WEEK)


def _check_times(request: web.Request) -> None:
    """aiohttp reads these as it sends, when it is too late to answer for what it cannot read."""
    try:
        _ = request.if_modified_since, request.if_unmodified_since, request.if_range
    except OverflowError:
        raise web.HTTPBadRequest from None


def file_response(path: Path, found: Format, *, caching: str) -> web.FileResponse:
    """A file with the type that its bytes have; ranges are answered (RFC 9110 §14), as players ask for them."""
    response = web.FileResponse(path, headers={**HEADERS, "Cache-Control": caching})
    response.content_type = found.media_type
    return response


def mount(app: web.Application, *, library: MediaLibrary, remote: RemoteMedia) -> None:
    pages = MediaPages(library, remote)
    app.router.add_get("/media/{name}", pages.own)
    app.router.add_get(r"/media/remote/{id:[1-9]\d{0,18}}", pages.others)
    app.router.add_get(r"/media/remote/{id:[1-9]\d{0,18}}/preview", pages.others_small)
