"""The command line: what may be typed, and how it ends (decisions.md §15).

What is done is in starting.py, commands.py and keeping.py.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from keys.errors import CuicuiError
from node import __version__
from node.lazily import when_used

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 128 + signal.SIGINT

F = TypeVar("F", bound=Callable[..., Any])


if TYPE_CHECKING:
    from node import commands, keeping, starting
else:
    starting, commands, keeping = map(when_used, ("node.starting", "node.commands", "node.keeping"))


# ── options that many commands share ─────────────────────────────────────────────────────────


def _default_data() -> str:
    from platformdirs import user_data_path  # 5 ms that are spared wherever --data is given

    return str(user_data_path("cuicui"))


def _directory(_context: click.Context, _option: click.Parameter, value: Path) -> Path:
    return value.expanduser().absolute()


def data_option(command: F) -> F:
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=_default_data,
        envvar="CUICUI_DATA",
        callback=_directory,
        metavar="DIR",
        help="Data directory of the node. [env: CUICUI_DATA]",
    )(command)


def node_options(command: F) -> F:
    """For commands that open a node: where it is, and what opens its keys."""
    file = click.Path(path_type=Path, dir_okay=False)
    passphrase = click.option(
        "--passphrase-file",
        type=file,
        envvar="CUICUI_PASSPHRASE_FILE",
        metavar="FILE",
        help="Its first line opens sealed keys. [env: CUICUI_PASSPHRASE_FILE; or CUICUI_PASSPHRASE]",
    )
    return passphrase(data_option(command))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; its names are stable.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


class _Group(click.Group):
    """Commands in the order in which one meets them, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _go(work: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Run a command to its end; what it returns is the exit status."""
    raise click.exceptions.Exit(asyncio.run(work) or DONE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="cuicui %(version)s")
def cli() -> None:
    """A microblog node for one person.

    \b
    cuicui demo          see two of them talk, on this machine
    cuicui run           start yours; the first time it makes one
    cuicui post "Hello"  write a status of up to 140 characters, signed

    Exit status: 0 done, 1 refused or failed, 2 misused.
    """


# ── start ────────────────────────────────────────────────────────────────────────────────────


@cli.command(short_help="Make a node with an address and a handle of your choice.")
@data_option
@click.option("--base-url", metavar="URL", help="Public address, as others reach the node; it cannot change later.")
@click.option("--handle", metavar="NAME", help="Letters a-z, digits and _; the default is who you are here.")
@click.option("--name", default="", metavar="TEXT", help="Display name.")
@click.option("--listen", metavar="HOST:PORT", help="Where to listen, if a proxy or tunnel is in front.")
@click.option("--database-url", metavar="URL", help="A database other than DIR/cuicui.db.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Its first line is the owner's password. [env: CUICUI_PASSWORD]",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CUICUI_PASSPHRASE_FILE",
    metavar="FILE",
    help="Its first line seals the keys. [env: CUICUI_PASSPHRASE]",
)
@click.option("--passphrase", "ask", is_flag=True, help="Ask for a passphrase that seals the keys.")
def init(
    data: Path,
    base_url: str | None,
    handle: str | None,
    name: str,
    listen: str | None,
    database_url: str | None,
    password_file: Path | None,
    passphrase_file: Path | None,
    ask: bool,
) -> None:
    """Make a node: data directory, keys, database, owner. A second init refuses and changes nothing.

    \b
    Example:
      cuicui init --data ~/cuicui --base-url https://ada.example --handle ada --name "Ada"
    """
    flags = {"base_url": base_url, "listen": listen, "database_url": database_url}
    _go(starting.init(data, flags, handle, name, password_file, passphrase_file, ask_passphrase=ask))


@cli.command(short_help="Run the node; the first time, make one.")
@node_options
@click.option("--listen", metavar="HOST:PORT", help="Where to listen, for this run.")
def run(data: Path, passphrase_file: Path | None, listen: str | None) -> None:
    """Serve, deliver, receive, until Ctrl-C or SIGTERM. Without a node in DIR, one is made first.

    \b
    Example:
      cuicui run --data ~/cuicui
    """
    raise click.exceptions.Exit(starting.run(data, passphrase_file, listen))


@cli.command(short_help="Run more delivery and inbox workers over the same store.")
@node_options
def worker(data: Path, passphrase_file: Path | None) -> None:
    """Deliver and retry beside a running node, without HTTP; with PostgreSQL also from another machine.

    \b
    Example:
      cuicui worker --data ~/cuicui
    """
    raise click.exceptions.Exit(starting.worker(data, passphrase_file))


@cli.command(short_help="Two real nodes on this machine, and their story.")
@click.option("--once", is_flag=True, help="End after the story instead of leaving both sites up.")
def demo(once: bool) -> None:
    """Alice and bob find each other, follow, post, reply, delete; a forger is refused.

    Everything happens on this machine, in a temporary directory that is removed at the end.
    """
    raise click.exceptions.Exit(starting.demo(once=once))


# ── write ────────────────────────────────────────────────────────────────────────────────────


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
    as_json: bool,
) -> None:
    """Publish a status of up to 140 characters. Without TEXT, or with -, it is read from standard input.

    \b
    Example:
      cuicui post "Good morning @bob@example.org"
      date | cuicui post --visibility unlisted
    """
    text = _text(words)
    _go(commands.post(data, passphrase_file, text, reply_to, visibility, warning, language, as_json=as_json))


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
    _sure(f"Delete {which} for good?", yes)
    _go(commands.delete(data, passphrase_file, which))


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
    _go(commands.edit(data, passphrase_file, which, _text(words), warning))


@cli.command(short_help="Show every version of a post.")
@click.argument("which", metavar="ID|URL")
@json_option
@node_options
def history(data: Path, passphrase_file: Path | None, which: str, as_json: bool) -> None:
    """Show what a post said before it was edited, oldest first, each version with its verdict."""
    _go(commands.history(data, passphrase_file, which, as_json=as_json))


@cli.command(short_help="Pass a post on to your followers.")
@click.argument("which", metavar="ID|URL")
@node_options
def boost(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Boost a public or unlisted post that is here."""
    _go(commands.boost(data, passphrase_file, which, undo=False))


@cli.command(short_help="Take a boost back.")
@click.argument("which", metavar="ID|URL")
@node_options
def unboost(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Take a boost of yours back."""
    _go(commands.boost(data, passphrase_file, which, undo=True))


@cli.command(short_help="Like a post.")
@click.argument("which", metavar="ID|URL")
@click.option("--with", "emoji", default="", metavar="EMOJI", help="React with an emoji instead.")
@node_options
def like(data: Path, passphrase_file: Path | None, which: str, emoji: str) -> None:
    """Tell the author of a post, and nobody else, that you like it."""
    _go(commands.like(data, passphrase_file, which, emoji))


@cli.command(short_help="Take a like back.")
@click.argument("which", metavar="ID|URL")
@node_options
def unlike(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Take back your like of a post, and the emojis you gave it."""
    _go(commands.unlike(data, passphrase_file, which))


@cli.command(short_help="Keep a post on top of your profile.")
@click.argument("which", metavar="ID|URL")
@node_options
def pin(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Pin a public or unlisted post of yours; up to five."""
    _go(commands.pin(data, passphrase_file, which, undo=False))


@cli.command(short_help="Take a post from the top of your profile.")
@click.argument("which", metavar="ID|URL")
@node_options
def unpin(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Unpin a post of yours."""
    _go(commands.pin(data, passphrase_file, which, undo=True))


@cli.command(short_help="Read what was reported to you.")
@json_option
@node_options
def reports(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List reports by other servers about you or your posts, newest first. Nobody else sees them."""
    _go(commands.reports(data, passphrase_file, as_json=as_json))


def _sure(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this asks before it acts, and there is nobody to ask; use --yes")
    click.confirm(question, abort=True, err=True)


# ── people ───────────────────────────────────────────────────────────────────────────────────


@cli.command(short_help="Follow somebody.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def follow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Ask to follow an account.

    \b
    Example:
      cuicui follow @bob@example.org
    """
    _go(commands.follow(data, passphrase_file, whom))


@cli.command(short_help="Stop following somebody.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def unfollow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Stop following an account; what it wrote leaves your timeline."""
    _go(commands.unfollow(data, passphrase_file, whom))


@cli.command(short_help="Whom you follow.")
@json_option
@node_options
def following(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Whom you follow, and whose yes is still awaited (JSON: actor, handle, name, url, state, since)."""
    _go(commands.following(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Who follows you, or asks to.")
@click.option("--requests", is_flag=True, help="Those who asked and wait for your answer.")
@json_option
@node_options
def followers(data: Path, passphrase_file: Path | None, requests: bool, as_json: bool) -> None:
    """Who follows you (JSON: actor, handle, name, url, state, since)."""
    _go(commands.followers(data, passphrase_file, requests=requests, as_json=as_json))


@cli.command(short_help="Let somebody follow you who asked.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def accept(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Say yes to a request; see them with: cuicui followers --requests."""
    _go(commands.answer(data, passphrase_file, whom, yes=True))


@cli.command(short_help="Say no to a request, or remove a follower.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def reject(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Say no to somebody who asked to follow you, or remove somebody who does."""
    _go(commands.answer(data, passphrase_file, whom, yes=False))


# ── keep away ────────────────────────────────────────────────────────────────────────────────


@cli.command(short_help="Shut out an account or a domain.")
@click.argument("whom", metavar="HANDLE|URL|DOMAIN", required=False)
@click.option("--comment", default="", metavar="TEXT", help="A note for yourself.")
@click.option(
    "--import",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Block what a list names, as Mastodon exports it; - reads standard input.",
)
@node_options
def block(data: Path, passphrase_file: Path | None, whom: str | None, comment: str, file: Path | None) -> None:
    """Take nothing from an account, or from a domain and all below it, and give it nothing. They are not told.

    \b
    Example:
      cuicui block @spam@example.org
      cuicui block example.net
      cuicui block --import blocked_accounts.csv
    """
    if (whom is None) == (file is None):
        raise click.UsageError("name an account or a domain, or give a list: cuicui block --import FILE")
    if file is not None:
        _go(commands.import_blocks(data, passphrase_file, file))
    _go(commands.block(data, passphrase_file, whom or "", comment))


@cli.command(short_help="Take a block back.")
@click.argument("whom", metavar="HANDLE|URL|DOMAIN")
@node_options
def unblock(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Take a block back. Follows that ended with it have to be asked for again."""
    _go(commands.unblock(data, passphrase_file, whom))


@cli.command(short_help="Whom you block.")
@json_option
@node_options
def blocks(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Accounts and domains you block, newest first (JSON: kind, value, handle, comment, since)."""
    _go(commands.blocks(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Do not see what somebody posts.")
@click.argument("whom", metavar="HANDLE|URL")
@click.option("--for", "for_", metavar="TIME", help="Until then: 30m, 12h, 7d, 4w. [default: for good]")
@node_options
def mute(data: Path, passphrase_file: Path | None, whom: str, for_: str | None) -> None:
    """Keep somebody's posts and boosts out of your timelines. You still follow each other, and they are not told.

    \b
    Example:
      cuicui mute @bob@example.org --for 7d
    """
    _go(commands.mute(data, passphrase_file, whom, for_))


@cli.command(short_help="See somebody's posts again.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def unmute(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Show somebody's posts and boosts again, also those from meanwhile."""
    _go(commands.unmute(data, passphrase_file, whom))


@cli.command(short_help="Whom you mute.")
@json_option
@node_options
def mutes(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Accounts you mute, newest first (JSON: actor, handle, name, url, looks_like, since, until)."""
    _go(commands.mutes(data, passphrase_file, as_json=as_json))


@cli.group(invoke_without_command=True, short_help="What strangers said to you.")
@json_option
@node_options
@click.pass_context
def requests(context: click.Context, data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """What was said to you by those you neither follow nor have spoken to. Let them in, block or ignore them.

    \b
    Example:
      cuicui requests
      cuicui requests allow @bob@example.org
    """
    if context.invoked_subcommand is None:
        _go(commands.requests(data, passphrase_file, as_json=as_json))
    if context.get_parameter_source("data") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"put --data behind the command: cuicui requests {context.invoked_subcommand} --data …")


@requests.command("allow")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def requests_allow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Let a stranger in: what they say to you is among your mentions from now on, and so is what they said."""
    _go(commands.decide(data, passphrase_file, whom, allow=True))


@requests.command("block")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def requests_block(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Shut a stranger out, as `cuicui block` does."""
    _go(commands.block(data, passphrase_file, whom, ""))


@requests.command("ignore")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def requests_ignore(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Leave a stranger unanswered: what they say to you is shown nowhere. They are not told."""
    _go(commands.decide(data, passphrase_file, whom, allow=False))


# ── read ─────────────────────────────────────────────────────────────────────────────────────


@cli.command(short_help="What those you follow wrote, with verdicts.")
@click.option("--limit", type=click.IntRange(1, 80), default=20, show_default=True, metavar="N")
@click.option("--before", type=click.IntRange(0, 2**63 - 1), metavar="ID", help="Older than this post.")
@click.option("--mentions", is_flag=True, help="What was said to you, by those you know; strangers: cuicui requests.")
@json_option
@node_options
def timeline(
    data: Path, passphrase_file: Path | None, limit: int, before: int | None, mentions: bool, as_json: bool
) -> None:
    """The home timeline, newest first; each post with its number and the verdict on who wrote it.

    \b
    --json prints a list of objects: id, uri, url, author {handle, name, url}, published, content,
    text, warning, visibility, in_reply_to, and verdict {verdict, reason, key, key_since,
    key_trust, signed_at}. verdict is signed, vouched or changed.
    """
    _go(commands.timeline(data, passphrase_file, limit, before, mentions=mentions, as_json=as_json))


@cli.command(short_help="One post and who wrote it, its thread, or somebody's posts.")
@click.argument("which", metavar="ID|URL|HANDLE")
@click.option("--thread", is_flag=True, help="With what it answers and what answers it, fetched if need be.")
@json_option
@node_options
def show(data: Path, passphrase_file: Path | None, which: str, thread: bool, as_json: bool) -> None:
    """One post that is here, with its verdict in full; or, by handle, somebody's recent posts.

    \b
    --thread --json prints an object: post, above, below (posts as in timeline), and more, the
    number of further answers that its origin knows.
    """
    if thread:
        _go(commands.thread(data, passphrase_file, which, as_json=as_json))
    _go(commands.show(data, passphrase_file, which, as_json=as_json))


@cli.command(short_help="What was recovered after the node was away.")
@json_option
@node_options
def away(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """How long the node was away the last time, and what was caught up with."""
    _go(commands.away(data, passphrase_file, as_json=as_json))


@cli.command(short_help="The evidence for a post, to keep and to check anywhere.")
@click.argument("which", metavar="ID|URL")
@node_options
def export(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Print an evidence bundle: the signed post, the bytes and headers as received, the key.

    \b
    Example:
      cuicui export 7498237498237 > post.json
      cuicui verify post.json --offline
    """
    _go(commands.export(data, passphrase_file, which))


@cli.command(short_help="Check who wrote something: a file, an address, a handle.")
@click.argument("target", metavar="FILE|URL|HANDLE")
@click.option("--key", metavar="KEY", help="The author's key, z6Mk… or did:key:z6Mk…, if you know it.")
@click.option("--offline", is_flag=True, help="Ask nobody; use the keys that are known here.")
@json_option
@node_options
def verify(
    data: Path, passphrase_file: Path | None, target: str, key: str | None, offline: bool, as_json: bool
) -> None:
    """Check a saved post (FILE, or - for standard input), the post at an address, or an account.

    \b
    Exit status: 0 signed by the key that is known as the author's; 1 refused, the signature does
    not hold; 3 vouched or changed: not signed, or not by a key that is known; 2 misused.

    \b
    Example:
      cuicui verify post.json --key z6Mkf7eotz1BKX36uwnJyjnvQrvS7HmznSoFF8BFykXfUiQk
    """
    _go(commands.verify(data, passphrase_file, target, key, offline=offline, as_json=as_json))


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


@cli.group(invoke_without_command=True, short_help="Your key, theirs, and whether you trust them.")
@node_options
@click.pass_context
def keys(context: click.Context, data: Path, passphrase_file: Path | None) -> None:
    """Without a command: your own key, to tell to others."""
    if context.invoked_subcommand is None:
        _go(commands.own_keys(data, passphrase_file))
    if context.get_parameter_source("data") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"put --data behind the command: cuicui keys {context.invoked_subcommand} --data …")


@keys.command("show")
@click.argument("whom", metavar="HANDLE|URL")
@json_option
@node_options
def keys_show(data: Path, passphrase_file: Path | None, whom: str, as_json: bool) -> None:
    """Every key known of an account: since when, how it came to be known, where it stands."""
    _go(commands.keys_of(data, passphrase_file, whom, as_json=as_json))


@keys.command("accept")
@click.argument("whom", metavar="HANDLE|URL")
@yes_option
@node_options
def keys_accept(data: Path, passphrase_file: Path | None, whom: str, yes: bool) -> None:
    """Trust the keys an account shows now. Compare the fingerprint with its owner first, by another way."""
    _go(commands.accept_keys(data, passphrase_file, whom, sure=lambda question: _sure(question, yes)))


# ── the owner's account ──────────────────────────────────────────────────────────────────────


@cli.command(short_help="See or change what others see of you.")
@click.option("--name", metavar="TEXT", help="Display name.")
@click.option("--bio", metavar="TEXT", help="A few words about you; plain text.")
@click.option("--approve-followers/--open", "approves", default=None, help="Whether followers wait for your yes.")
@node_options
def profile(data: Path, passphrase_file: Path | None, name: str | None, bio: str | None, approves: bool | None) -> None:
    """Without an option: show it. With one: change it, and tell those who follow you."""
    _go(commands.profile(data, passphrase_file, name, bio, approves))


@cli.group(short_help="Other accounts of yours.")
def alias() -> None:
    """Other accounts of yours, named in your profile: an account that moves here must be one of them."""


@alias.command("add")
@click.argument("account", metavar="HANDLE|URL")
@node_options
def alias_add(data: Path, passphrase_file: Path | None, account: str) -> None:
    """Name another account as yours."""
    _go(commands.add_alias(data, passphrase_file, account))


@cli.command(short_help="Go on as another account, with your followers.")
@click.argument("target", metavar="HANDLE|URL")
@yes_option
@node_options
def move(data: Path, passphrase_file: Path | None, target: str, yes: bool) -> None:
    """Send your followers to another account of yours. It must name this one as its own first.

    \b
    cuicui alias add @ada@old.example    (on the new node)
    cuicui move @ada@new.example         (on the old one)
    """
    _go(commands.move(data, passphrase_file, target, lambda question: yes or click.confirm(question, err=True)))


@cli.command(short_help="Print a bearer token of the owner for the client API.")
@node_options
def token(data: Path, passphrase_file: Path | None) -> None:
    """Print a new bearer token, and nothing else. It is shown once; only its hash is kept."""
    _go(commands.token(data, passphrase_file))


@cli.command(short_help="Set the owner's password, from standard input.")
@node_options
def password(data: Path, passphrase_file: Path | None) -> None:
    """Set the password with which the owner logs in; it is the first line of standard input."""
    if sys.stdin.isatty():
        line = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        line = sys.stdin.readline().rstrip("\r\n")
    _go(commands.password(data, passphrase_file, line))


# ── keep it well ─────────────────────────────────────────────────────────────────────────────


@cli.command(short_help="What is still to be delivered, and what waits.")
@json_option
@node_options
def queue(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Deliveries still owed, with the last error, and arrivals that could not be applied."""
    _go(keeping.queue(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Who was turned away, and why.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, metavar="N")
@json_option
@node_options
def refused(data: Path, passphrase_file: Path | None, limit: int, as_json: bool) -> None:
    """Requests that were refused, newest first, summed up by server and reason."""
    _go(keeping.refused(data, passphrase_file, limit, as_json=as_json))


@cli.command(short_help="Look whether all is well.")
@json_option
@node_options
def doctor(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Directory, keys, database, disk, address, clock, limits: ok, warn or fail. Exit status 1 if any fails."""
    _go(keeping.doctor(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Save everything in one file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--verify", "check", is_flag=True, help="Check a backup instead of making one.")
@node_options
def backup(data: Path, passphrase_file: Path | None, file: Path, check: bool) -> None:
    """Save database, keys and settings of a node in one file, also while it runs.

    The file holds your keys: keep it as private as them.

    \b
    Example:
      cuicui backup ~/cuicui.backup && cuicui backup --verify ~/cuicui.backup
    """
    if check:
        raise click.exceptions.Exit(keeping.check_backup(file, passphrase_file))
    raise click.exceptions.Exit(keeping.make_backup(data, file))


@cli.command(short_help="Put a backup in place.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_option
def restore(data: Path, file: Path) -> None:
    """Unpack a backup into an empty or new data directory."""
    raise click.exceptions.Exit(keeping.restore(data, file))


# ── how it ends ──────────────────────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `cuicui` and leave with its exit status; every error is one sentence, and a hint."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal without UTF-8
    sys.exit(_status(arguments))


def _status(arguments: Sequence[str] | None) -> int:
    try:
        status = cli.main(arguments, prog_name="cuicui", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        click.echo(help_wanted.format_message(), err=True)
        return MISUSED
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "cuicui"
        return _complain(error.format_message(), f"see: {command} --help", MISUSED)
    except click.ClickException as error:
        return _complain(error.format_message(), None, FAILED)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except CuicuiError as error:
        _trace()
        return _complain(error.message, error.hint, FAILED)
    except OSError as error:
        if error.errno == errno.EPIPE:  # `| head`: nobody reads the rest, and the flush at the end must not complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        _trace()
        where = f": {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}", "check the disk, and who owns the data directory", FAILED)
    except Exception as error:
        _trace()
        hint = "this is a mistake in cuicui; run it again with CUICUI_LOG_LEVEL=debug, and report what it shows"
        return _complain(f"something went wrong inside: {type(error).__name__}: {error}", hint, FAILED)


def _trace() -> None:
    if os.environ.get("CUICUI_LOG_LEVEL") == "debug":
        traceback.print_exc()


def _complain(message: str, hint: str | None, status: int) -> int:
    """What a stranger wrote may be in a message; it must not steer the terminal."""
    for line in (message, f"hint: {hint}" if hint else ""):
        if line:
            shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
            click.echo(f"cuicui: {shown}", err=True)
    return status
