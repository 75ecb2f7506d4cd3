"""What a client sent, whichever way it wrote it: query, form, multipart or JSON → one nested dict.

Clients mix freely (client-api.md §8): brackets in any of the three kinds of form (`poll[options][]`,
`fields_attributes[0][name]`, `source[privacy]`), booleans as strings, ids as numbers.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from node.errors import NotAllowed
from node.web.mastodon.errors import Invalid, TooLarge, TooSlow, Unreadable, Unsupported

TEXT_LIMIT = 1024 * 1024
"""Octets of a body, files left out."""

PARTS = 1000
"""Fields of one form, counted as they are written."""

DEPTH = 5
TEXT_TIMEOUT = 30.0
"""Seconds for a whole body without files (security.md §10)."""

FILE_TIMEOUT = 15 * 60.0
"""Seconds for one with files, which only an app of the owner's can send."""

_CHUNK = 64 * 1024
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


@dataclass(slots=True)
class Upload:
    """A file that came with a form, waiting on disk until the request is over. `name` is what the client called it."""

    file: IO[bytes]
    name: str
    size: int

    async def chunks(self) -> AsyncIterator[bytes]:
        self.file.seek(0)
        while block := self.file.read(_CHUNK):
            yield block


Params = dict[str, Any]


def nested(pairs: Iterable[tuple[str, Any]]) -> Params:
    """`[("a[b][]", 1), ("a[b][]", 2)]` → `{"a": {"b": [1, 2]}}`. Raises Unreadable for what cannot be both."""
    root: Params = {}
    for number, (written, value) in enumerate(pairs):
        if number >= PARTS:
            raise Unreadable(f"more than {PARTS} fields")
        match = _NAME.fullmatch(written)
        if match is None:
            root[written] = value
            continue
        path = [match[1], *(part[:-1] for part in match[2].split("[")[1:])]
        if len(path) > DEPTH:
            raise Unreadable(f"{written[:60]!r} nests too deeply")
        _put(root, path, value, written)
    return root


def _put(place: Params, path: list[str], value: Any, written: str) -> None:
    for here, below in pairwise(path):
        if below == "":
            there = place.setdefault(here, [])
            if not isinstance(there, list):
                raise Unreadable(f"{written[:60]!r} is written in two ways")
            if path[-1] == "" and path[-2] == here:
                there.append(value)
                return
            # `a[][name]`: a new entry begins with the field that the last one has already
            last = path[path.index("", 1) + 1]
            if not there or not isinstance(there[-1], dict) or last in there[-1]:
                there.append({})
            there[-1][last] = value
            return
        there = place.setdefault(here, {})
        if not isinstance(there, dict):
            raise Unreadable(f"{written[:60]!r} is written in two ways")
        place = there
    place[path[-1]] = value


async def read(request: web.Request, *, files: int) -> Params:
    """Query and body of a request, the body winning; `files` is how many octets of files may come with it, 0 for none.

    Raises Unreadable (400) for what cannot be read, TooLarge (413), NotAllowed (422) for files where none belong.
    """
    found = _pairs(request.rel_url.raw_query_string)
    if request.method in ("GET", "HEAD", "DELETE") and not request.body_exists:
        return found
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unsupported("a compressed body is not read here", hint="send it as it is")
    kind = request.content_type
    if kind == "multipart/form-data":
        return found | nested(await _multipart(request, files=files))
    try:
        async with asyncio.timeout(TEXT_TIMEOUT):
            raw = await _raw(request)
    except TimeoutError:
        raise TooSlow(f"the request did not arrive within {TEXT_TIMEOUT:.0f} s") from None
    if not raw.strip():
        return found
    if kind == "application/json" or (kind == "application/octet-stream" and raw[:1] in b"{["):
        return found | _json(raw)
    try:
        written = raw.decode()
    except UnicodeDecodeError:
        raise Unreadable("the form is not UTF-8") from None
    return found | _pairs(written)


def _pairs(written: str) -> Params:
    """A query, or a form of that kind. Raises Unreadable."""
    try:
        pairs = parse_qsl(written, keep_blank_values=True, max_num_fields=PARTS)
    except ValueError as error:
        raise Unreadable("the form cannot be read", hint=str(error)[:100]) from None
    return nested((_text(name), _text(value)) for name, value in pairs)


def _text(value: str) -> str:
    """Raises Unreadable for what no database keeps as text."""
    if "\0" in value:
        raise Unreadable("there is a NUL in the text")
    return value


async def _raw(request: web.Request) -> bytes:
    if request.content_length is not None and request.content_length > TEXT_LIMIT:
        raise TooLarge("the request is too large", hint=f"{TEXT_LIMIT} octets are read")
    pieces, size = [], 0
    async for piece in request.content.iter_chunked(_CHUNK):
        size += len(piece)
        if size > TEXT_LIMIT:
            raise TooLarge("the request is too large", hint=f"{TEXT_LIMIT} octets are read")
        pieces.append(piece)
    return b"".join(pieces)


def _json(raw: bytes) -> Params:
    try:
        value = json.loads(raw)
        json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates: they could be stored nowhere
        if b"\\u0000" in raw:
            _no_nul(value)
    except (ValueError, RecursionError):
        raise Unreadable("the body is not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("the body is JSON, but not an object")
    # Some clients put form names into JSON.
    return nested(value.items()) if any("[" in name for name in value) else value


def _no_nul(value: Any) -> None:
    for inner in (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        _no_nul(inner)
    if isinstance(value, str):
        _text(value)


async def _multipart(request: web.Request, *, files: int) -> list[tuple[str, Any]]:
    """Text within half a minute; with files, as long as it keeps coming, so much of it as a slow line carries."""
    pairs: list[tuple[str, Any]] = []
    try:
        async with asyncio.timeout(FILE_TIMEOUT if files else TEXT_TIMEOUT):
            await _parts(await request.multipart(), pairs, files=files)
    except BaseException as error:
        for _, value in pairs:
            if isinstance(value, Upload):
                value.file.close()
        if isinstance(error, TimeoutError):
            raise TooSlow("the form did not arrive in time") from None
        if isinstance(error, ValueError | AssertionError | RuntimeError | LookupError | BadHttpMessage):
            raise Unreadable("the multipart form cannot be read", hint=str(error)[:100]) from None
        raise
    return pairs


async def _parts(reader: MultipartReader, pairs: list[tuple[str, Any]], *, files: int) -> None:
    room, space = TEXT_LIMIT, files
    async for part in reader:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise Unreadable("a part of the form has no name")
        if len(pairs) >= PARTS:
            raise Unreadable(f"more than {PARTS} fields")
        room -= len(part.name)
        if part.filename is not None:
            if not files:
                raise NotAllowed("no files belong here", hint="upload them: POST /api/v2/media")
            if sum(isinstance(value, Upload) for _, value in pairs) >= FILES:
                raise Unreadable(f"more than {FILES} files")
            upload = await _spooled(part, space, files)
            space -= upload.size
            pairs.append((_text(part.name), upload))
            continue
        text = bytearray()
        while block := await part.read_chunk(_CHUNK):
            room -= len(block)
            if room < 0:
                raise TooLarge("the request is too large", hint=f"{TEXT_LIMIT} octets of text are read")
            text += block
        pairs.append((_text(part.name), _text(text.decode())))


FILE_LIMIT = 100 * 1024 * 1024
"""Octets of all files of a request at the door, or a little more than the largest that the settings take; what is
taken in depends on their kind (node/media)."""

FILES = 8
"""Of one request; an app sends one, or two (the pictures of a profile)."""


async def _spooled(part: BodyPartReader, space: int, files: int) -> Upload:
    file = tempfile.SpooledTemporaryFile(max_size=_CHUNK)  # noqa: SIM115 - lives as long as the request
    size = 0
    try:
        while block := await part.read_chunk(_CHUNK):
            size += len(block)
            if size > space:
                raise TooLarge("the file is too large", hint=f"at most {files >> 20} MiB")
            file.write(block)
    except BaseException:
        file.close()
        raise
    return Upload(file, Path(part.filename or "").name[:200], size)


class Form(BaseModel):
    """What a route takes. Unknown fields are ignored; null stands for nothing, and so does an empty string where
    text is not meant.
    """

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        texts = {name for name, field in cls.model_fields.items() if "str" in str(field.annotation)}
        return {
            name: item for name, item in value.items() if item is not None and not (item == "" and name not in texts)
        }


F = TypeVar("F", bound=Form)


def validated(form: type[F], params: Params) -> F:
    """Raises Invalid (422) that says which field, in Mastodon's words."""
    try:
        return form.model_validate(params)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[:3]
        said = ", ".join(f"{'.'.join(map(str, item['loc'])) or 'form'}: {item['msg']}" for item in first)
        raise Invalid(f"Validation failed: {said[:400]}") from None
