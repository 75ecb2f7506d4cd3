"""Commands that write: post, delete, edit, history."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options, sure, yes_option
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import write as commands
else:
    commands = when_used("node.commands.write")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@cli.command(short_help="Publish a status.")
@click.argument("words", nargs=-1, metavar="[TEXT]...")
@click.option("--reply-to", metavar="ID|URL", help="Answer a post: its number in the timeline, or its address.")
@click.option(
    "--visibility",
    type=click.Choice(["public", "unlisted", "followers", "direct"]),
    help="Who may read it; an answer is by default as visible as what it answers. [default: public]",
)
@click.option("--warning", "-w", default="", metavar="TEXT", help="Fold the text behind a content warning.")
@click.option("--language", metavar="CODE", help="Language of the text, for example fr.")
@click.option("--option", "options", multiple=True, metavar="CHOICE", help="A choice of a poll; give two to four.")
@click.option("--multiple", is_flag=True, help="More than one choice of the poll may be made.")
@click.option(
    "--expires", default="1d", show_default=True, metavar="TIME", help="How long the poll lasts: 30m, 12h, 7d."
)
@click.option("--image", "images", multiple=True, type=_FILE, help="A picture, up to four times; or a video or sound.")
@click.option("--alt", "alts", multiple=True, metavar="TEXT", help="What is to be seen there; for each file in turn.")
@click.option("--quote", metavar="ID|URL", help="Quote a post; its author is asked for leave.")
@json_option
@node_options
def post(
    data: Path,
    passphrase_file: Path | None,
    words: tuple[str, ...],
    reply_to: str | None,
    visibility: str | None,
    warning: str,
    language: str | None,
    options: tuple[str, ...],
    multiple: bool,
    expires: str,
    quote: str | None,
    images: tuple[Path, ...],
    alts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Publish a status of up to 140 characters. Without TEXT, or with -, it is read from standard input.

    \b
    Example:
      cuicui post "Good morning @bob@example.org"
      date | cuicui post --visibility unlisted
      cuicui post "Tea?" --option Yes --option No --expires 2h
      cuicui post "Look" --image cat.jpg --alt "A cat, asleep on a book"
    """
    if len(alts) > len(images):
        raise click.UsageError("there are more descriptions than files")
    text = "" if images and not words else _text(words)
    files = [(file, alts[number] if number < len(alts) else "") for number, file in enumerate(images)]
    if multiple and not options:
        raise click.UsageError("--multiple is about a poll: give its choices with --option")
    poll = commands.Asked(options, multiple, expires) if options else None
    asked = (text, reply_to, visibility, warning, language, poll, quote, files)
    go(commands.post(data, passphrase_file, *asked, as_json=as_json))


def _text(words: tuple[str, ...]) -> str:
    text = " ".join(words)
    if text in ("", "-"):
        if not text and sys.stdin.isatty():
            raise click.UsageError('say something: cuicui post "…"')
        try:
            text = sys.stdin.buffer.read(1 << 20).decode().strip("\r\n")
        except UnicodeDecodeError:
            raise click.UsageError("standard input is not UTF-8 text") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise click.UsageError("the text is not UTF-8") from None
    return text


@cli.command(short_help="Take a post back.")
@click.argument("which", metavar="ID|URL")
@yes_option
@node_options
def delete(data: Path, passphrase_file: Path | None, which: str, yes: bool) -> None:
    """Delete a post of yours, here and, as far as they listen, wherever it was sent."""
    sure(f"Delete {which} for good?", yes)
    go(commands.delete(data, passphrase_file, which))


@cli.command(short_help="Change what a post says.")
@click.argument("which", metavar="ID|URL")
@click.argument("words", nargs=-1, metavar="[TEXT]...")
@click.option("--warning", "-w", metavar="TEXT", help="A new content warning; empty for none. [default: as before]")
@node_options
def edit(data: Path, passphrase_file: Path | None, which: str, words: tuple[str, ...], warning: str | None) -> None:
    """Put a new text in the place of a post of yours. Without TEXT, or with -, it is read from standard input.

    \b
    Example:
      cuicui edit 115601234 "Good morning, all of you"
    """
    go(commands.edit(data, passphrase_file, which, _text(words), warning))


@cli.command(short_help="Show every version of a post.")
@click.argument("which", metavar="ID|URL")
@json_option
@node_options
def history(data: Path, passphrase_file: Path | None, which: str, as_json: bool) -> None:
    """Show what a post said before it was edited, oldest first, each version with its verdict."""
    go(commands.history(data, passphrase_file, which, as_json=as_json))
