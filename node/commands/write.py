"""Commands that write: post, delete, edit, history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node import printing as show_
from node import running, text
from node.commands.shared import find, not_running
from node.model import Draft, PollDraft, Visibility
from node.moderate import span
from node.opening import opened
from node.printing import as_json as print_json
from node.printing import out, say


@dataclass(frozen=True)
class Asked:
    """A poll as it was typed."""

    choices: tuple[str, ...]
    multiple: bool
    expires: str


async def post(
    data: Path,
    passphrase_file: Path | None,
    words: str,
    reply_to: str | None,
    visibility: str | None,
    warning: str,
    language: str | None,
    poll: Asked | None = None,
    quote: str | None = None,
    files: Sequence[tuple[Path, str]] = (),
    *,
    as_json: bool,
) -> None:
    async with opened(data, passphrase_file) as node:
        text.check_length(words, warning)
        quoted = await node.reading.open_post(quote) if quote is not None else None
        parent = await find(node, reply_to) if reply_to is not None else None
        # An answer to what few may read is not for everybody unless its author says so.
        default = parent.visibility if parent is not None else (await node.owner.profile()).preferences.visibility
        uploaded = [await node.media.upload_file(file, alt=alt) for file, alt in files]
        draft = Draft(
            words,
            visibility=Visibility(visibility) if visibility else default,
            in_reply_to=parent.note.iri if parent is not None else None,
            warning=warning,
            language=language,
            poll=PollDraft(poll.choices, poll.multiple, span(poll.expires)) if poll is not None else None,
            quote=quoted.note.iri if quoted is not None else None,
            media=tuple(one.id for one in uploaded),
        )
        posted = await node.owner.post(draft)
    if as_json:
        print_json({**show_.post_json(posted.post), "inboxes": posted.inboxes, "unknown": list(posted.unknown)})
    else:
        out(posted.post.note.url or posted.post.note.iri)
    for handle in posted.unknown:
        say(f"{handle} could not be found and stays plain text")
    if posted.inboxes == 0:
        say("posted; nobody has to be told")
        return
    to = "1 inbox" if posted.inboxes == 1 else f"{posted.inboxes} inboxes"
    if running.is_running(data):
        say(f"posted; it goes out to {to}")
    else:
        not_running(data, f"posted; it goes out to {to} when the node runs")


async def delete(data: Path, passphrase_file: Path | None, which: str) -> None:
    async with opened(data, passphrase_file) as node:
        found = await find(node, which)
        await node.owner.delete(found.note.iri)
    say(f"deleted {found.note.url or found.note.iri}; its readers are told")


async def edit(data: Path, passphrase_file: Path | None, which: str, words: str, warning: str | None) -> None:
    async with opened(data, passphrase_file) as node:
        found = await find(node, which)
        posted = await node.owner.edit(found.note.iri, words, warning)
    out(posted.post.note.url or posted.post.note.iri)
    for handle in posted.unknown:
        say(f"{handle} could not be found and stays plain text")
    say("edited; its readers are told, and the version before stays: cuicui history")


async def history(data: Path, passphrase_file: Path | None, which: str, *, as_json: bool) -> None:
    async with opened(data, passphrase_file) as node:
        versions = await node.owner.history((await find(node, which)).note.iri)
    if as_json:
        print_json([show_.revision_json(version) for version in versions])
    else:
        out("\n\n".join(show_.revision_words(version) for version in versions))
