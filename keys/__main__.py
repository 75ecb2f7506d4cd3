"""python -m keys verify FILE --key MULTIKEY: check a signed document without a node or a network."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from keys.errors import BadKey, CuicuiError
from keys.identity import PublicIdentity
from keys.multiformat import multikey_from_did
from keys.proof import created_at
from keys.verify import MAX_BYTES, Report, verify_document

HOLDS, DOES_NOT_HOLD, MISUSED = 0, 1, 2

EPILOG = """\
exit status: 0 the signature holds, 1 it does not, 2 the command was misused

example:
  curl -H 'Accept: application/activity+json' https://alice.example/notes/1 |
    python -m keys verify - --key z6Mkf7eotz1BKX36uwnJyjnvQrvS7HmznSoFF8BFykXfUiQk
"""


class Misused(CuicuiError):
    """The command line names something that cannot be used."""

    code = "misused"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        key = _key(options.key)
        report = verify_document(_bytes(options.file), key, datetime.now(UTC))
    except (Misused, BadKey) as error:
        return _complain(error, MISUSED)
    except CuicuiError as error:
        return _complain(error, DOES_NOT_HOLD)
    print(json.dumps(report.to_json(), indent=1) if options.json else _words(report))
    return HOLDS if report.holds else DOES_NOT_HOLD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m keys", description="Check who signed a document, offline.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="check the signatures in a JSON file",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("file", metavar="FILE", help="a signed note, activity or evidence bundle; - is standard input")
    verify.add_argument("--key", required=True, metavar="KEY", help="the author's key: z6Mk… or did:key:z6Mk…")
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _key(text: str) -> PublicIdentity:
    text = text.strip()
    try:
        return PublicIdentity.from_multikey(multikey_from_did(text) if text.startswith("did:") else text)
    except BadKey as error:
        hint = error.hint or "A key looks like z6Mkf7eotz1BKX36uwnJyjnvQrvS7HmznSoFF8BFykXfUiQk."
        raise BadKey(f"--key: {error.message}", hint=hint) from None


def _bytes(name: str) -> bytes:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Misused(f"cannot read {name}: {why}", hint="Name a file with the signed JSON in it.") from None
    if len(data) > MAX_BYTES:
        raise Misused(f"{name} is larger than {MAX_BYTES // 2**20} MiB", hint="A signed document is a few kilobytes.")
    return data


def _words(report: Report) -> str:
    lines = ["holds" if report.holds else "does not hold"]
    for part in report.parts:
        lines.append(f"{part.name}: {part.outcome.value} – {_printable(part.reason)}")
        for label, value in (("type", part.type), ("id", part.id), ("owner", part.owner), ("method", part.method)):
            if value:
                lines.append(f"  {label}: {_printable(value)}")
        if part.signed_at is not None:
            lines.append(f"  signed at: {created_at(part.signed_at)} (by the signer's clock)")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """What a stranger wrote must not steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _complain(error: CuicuiError, status: int) -> int:
    print(f"keys: {_printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"keys: hint: {error.hint}", file=sys.stderr)
    return status


def _run() -> int:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, with `>&-`: nobody wants to be told, and that is no mistake
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as the process
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal without UTF-8
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head`: nobody reads the rest, and the exit flush must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DOES_NOT_HOLD
    return status


if __name__ == "__main__":
    sys.exit(_run())
