"""Where a passphrase comes from: a file, the environment, or a question; asked only when needed."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from keys.errors import KeyFileError

Passphrase: TypeAlias = Callable[[], str | None] | str | None
"""A passphrase, none, or a function that finds one; it is called only for a file that is sealed."""

VARIABLE = "CUICUI_PASSPHRASE"
_MAX_BYTES = 4096


def resolve(passphrase: Passphrase) -> str | None:
    """The passphrase itself, in NFC so that two keyboards spell `é` alike; None when there is none."""
    text = passphrase() if callable(passphrase) else passphrase
    if not text:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise KeyFileError("the passphrase is not UTF-8 text", hint="Give the passphrase in UTF-8.") from None
    return unicodedata.normalize("NFC", text)


def finder(
    file: Path | None = None,
    *,
    prompt: Callable[[], str | None] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Callable[[], str | None]:
    """Look in `file` if one is named, else in CUICUI_PASSPHRASE, else ask with `prompt`.

    A named file that cannot be read, or is empty, is an error and not a reason to look further.
    """

    def find() -> str | None:
        if file is not None:
            return _first_line(file)
        return environ.get(VARIABLE) or (prompt() if prompt is not None else None)

    return find


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            line = stream.readline(_MAX_BYTES).decode().rstrip("\r\n")
    except OSError as error:
        raise KeyFileError(f"cannot read the passphrase file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"the passphrase file {file} is not UTF-8 text") from None
    if not line:
        raise KeyFileError(f"the passphrase file {file} is empty", hint="Its first line is the passphrase.")
    return line
