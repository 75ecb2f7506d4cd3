"""How the command line shows posts, people and keys: for a reader, and as JSON whose names are stable."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from textwrap import indent

import click

from keys import PublicTransport
from node import lookalike, text
from node.federation.examine import Examined
from node.model import (
    Actor,
    Authorship,
    Counts,
    Iri,
    KeyState,
    KnownKey,
    Poll,
    Post,
    ProfileField,
    QuoteState,
    Revision,
    Trust,
    Verdict,
)
from node.reading import Recovered
from node.storage.actors import KnownActor
from node.storage.blocks import Block, Mute
from node.storage.quotes import Grant
from node.storage.relations import Relation
from node.storage.reports import Report
from node.web import words

_QUOTED = {
    None: "links to",
    QuoteState.PENDING: "quotes, not yet allowed",
    QuoteState.ACCEPTED: "quotes, by its author's leave",
    QuoteState.REJECTED: "quotes, without its author's leave",
    QuoteState.REVOKED: "quoted, until its author took that back",
}

_COLOURS = {Verdict.SIGNED: "green", Verdict.CHANGED: "yellow", Verdict.REFUSED: "red"}

_TRUST = {
    Trust.FIRST_USE: "first seen then, and the same since",
    Trust.COMPARED: "compared by you",
    Trust.CONTINUITY: "named by the key before it",
}

_STATES = {
    KeyState.PINNED: "trusted",
    KeyState.CHANGED: "new, and not trusted: nothing connects it with the known key",
    KeyState.RETIRED: "no longer used",
}


def out(line: str) -> None:
    """The result."""
    click.echo(line)


def say(line: str) -> None:
    """The talk beside it."""
    click.echo(f"cuicui: {line}", err=True)


def hint(line: str) -> None:
    say(f"hint: {line}")


def as_json(value: object) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def stamp(when: datetime | None) -> str | None:
    return None if when is None else f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"


def one_line(shown: str) -> str:
    """What a stranger wrote, on one line, unable to steer the terminal."""
    return text.plain(shown, 500)


def coloured(verdict: Verdict) -> str:
    """The word; its colour only where somebody can see it (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return verdict.value
    return click.style(verdict.value, fg=_COLOURS.get(verdict), bold=verdict is not Verdict.VOUCHED)


# ── posts ────────────────────────────────────────────────────────────────────────────────────


def post_words(post: Post, now: datetime) -> str:
    """A post in a timeline: who, when, verdict; the text; its number and address."""
    note = post.note
    when = words.ago(note.published or post.received_at, now)
    head = f"{words.handle_of(post.author)}  {when}  {coloured(post.authorship.verdict)}"
    if not post.visibility.is_open:
        head += f"  ({post.visibility.value})"
    body = text.to_text(note.content)
    if note.summary:
        body = f"[warning: {one_line(note.summary)}]"
    if note.attachments:
        body += f"\n[{len(note.attachments)} attached]"
    if note.poll is not None and not note.summary:
        body = "\n".join([body, *poll_lines(note.poll, now)])
    if note.quote is not None or post.quote_state is not None:
        body += f"\n[{_QUOTED[post.quote_state]}{': ' + note.quote if note.quote else ''}]"
    if note.updated is not None:
        head += "  edited"
    lines = [head, *caution(post.author, "  "), indent(body, "  ")]
    if post.boosted_by is not None:
        lines.insert(0, f"boosted by {words.handle_of(post.boosted_by)}")
    if post.authorship.verdict is Verdict.CHANGED:
        lines.append(f"  caution: {post.authorship.reason}")
    return "\n".join([*lines, f"  {post.id}  {note.url or note.iri}"])


def caution(actor: Actor, margin: str = "") -> list[str]:
    """The line that says for whom an account could be taken, and is not; nothing for most."""
    return [f"{margin}caution: {one_line(actor.resembles.warning)}"] if actor.resembles else []


def looks_like_json(actor: Actor) -> dict[str, object] | None:
    """Whom an account resembles: {handle, uri, warning}; null for most."""
    real = actor.resembles
    return None if real is None else {"handle": real.handle, "uri": real.iri, "warning": real.warning}


def post_in_full(post: Post, now: datetime) -> str:
    """One post: unfolded, and all that is known of who wrote it."""
    said = words.verdict(post, now)
    lines = [post_words(post, now)]
    if post.note.summary:
        lines.append(indent(text.to_text(post.note.content), "  "))
        if post.note.poll is not None:
            lines.append(indent("\n".join(poll_lines(post.note.poll, now)), "  "))
    lines += ["", f"{coloured(post.authorship.verdict)}: {one_line(said.title)}. {one_line(said.sentence)}"]
    return "\n".join([*lines, *_key_lines(post.authorship)])


def post_json(post: Post) -> dict[str, object]:
    note, by = post.note, post.authorship
    return {
        "id": str(post.id),
        "uri": note.iri,
        "url": note.url or note.iri,
        "author": person_json(post.author),
        "published": stamp(note.published),
        "content": note.content,
        "text": text.to_text(note.content),
        "warning": note.summary,
        "visibility": post.visibility.value,
        "in_reply_to": note.in_reply_to,
        "edited": stamp(note.updated),
        "poll": poll_json(note.poll) if note.poll is not None else None,
        "quote": {"uri": note.quote, "state": post.quote_state} if post.quote_state is not None else None,
        "boosted_by": person_json(post.boosted_by) if post.boosted_by is not None else None,
        "entry": None if post.entry is None else str(post.entry),
        "verdict": {
            "verdict": by.verdict.value,
            "reason": by.reason,
            "key": by.key,
            "key_since": stamp(by.key_since),
            "key_trust": by.key_trust.value if by.key_trust else None,
            "signed_at": stamp(by.signed_at),
        },
    }


def poll_lines(poll: Poll, now: datetime) -> list[str]:
    """The choices with their numbers and counts; and how long there is."""
    total = max(poll.voters or 0, 1) if poll.multiple else max(poll.votes, 1)
    lines = [
        f"  {number}. {one_line(choice.name)}  {choice.votes} ({100 * choice.votes // total} %)"
        for number, choice in enumerate(poll.choices, 1)
    ]
    people = poll.voters if poll.voters is not None else poll.votes
    many = " · more than one choice" if poll.multiple else ""
    end = "over" if poll.is_over(now) else f"until {stamp(poll.ends)}" if poll.ends else "open"
    return [*lines, f"  {people} voted · {end}{many}"]


def poll_json(poll: Poll) -> dict[str, object]:
    return {
        "choices": [{"name": choice.name, "votes": choice.votes} for choice in poll.choices],
        "multiple": poll.multiple,
        "ends": stamp(poll.ends),
        "closed": stamp(poll.closed),
        "voters": poll.voters,
    }


def grant_json(grant: Grant) -> dict[str, object]:
    return {
        "stamp": grant.stamp,
        "note": grant.note,
        "quoting": grant.quoting,
        "actor": grant.actor,
        "at": stamp(grant.at),
        "revoked_at": stamp(grant.revoked_at),
    }


def counts_lines(counts: Counts) -> list[str]:
    """What was done with a post, if anything was."""
    said = words.counted(counts)
    return [f"  seen here: {said}"] if said else []


def counts_json(counts: Counts) -> dict[str, object]:
    return {
        "likes": counts.likes,
        "boosts": counts.boosts,
        "replies": counts.replies,
        "emojis": dict(counts.emojis),
    }


def revision_words(version: Revision) -> str:
    """One version of a post: when, verdict, text."""
    body = text.to_text(version.content)
    if version.summary:
        body = f"[warning: {one_line(version.summary)}]\n{body}"
    head = f"{version.written_at:%Y-%m-%d %H:%M:%S} UTC  {coloured(version.verdict)}: {one_line(version.reason)}"
    return f"{head}\n{indent(body, '  ')}"


def revision_json(version: Revision) -> dict[str, object]:
    return {
        "written_at": stamp(version.written_at),
        "content": version.content,
        "text": text.to_text(version.content),
        "warning": version.summary,
        "verdict": version.verdict.value,
        "reason": version.reason,
        "key": version.key,
    }


def report_words(report: Report) -> str:
    about = "\n".join(f"  {one_line(iri)}" for iri in report.about)
    comment = indent(text.plain(report.comment, 1000, lines=True) or "(no reason given)", "  ")
    return f"{report.at:%Y-%m-%d %H:%M} UTC  {one_line(report.actor)} reports\n{about}\n{comment}"


def report_json(report: Report) -> dict[str, object]:
    return {"at": stamp(report.at), "actor": report.actor, "about": list(report.about), "comment": report.comment}


def _key_lines(by: Authorship | Examined) -> list[str]:
    lines = []
    if by.key:
        fingerprint = words.fingerprint(by.key)
        lines.append(f"  key: {by.key}" + (f" (fingerprint {fingerprint})" if fingerprint else ""))
    if by.key_since is not None:
        how = f"; {_TRUST[by.key_trust]}" if by.key_trust else ""
        lines.append(f"  known since: {words.date(by.key_since)}{how}")
    if by.signed_at is not None:
        lines.append(f"  signed at: {by.signed_at:%Y-%m-%d %H:%M:%S} UTC, by the signer's clock")
    return lines


# ── what was verified ────────────────────────────────────────────────────────────────────────


def examined_words(found: Examined) -> str:
    lines = [f"{coloured(found.verdict)}: {one_line(found.reason)}"]
    for label, value in (("what", found.what), ("author", found.author)):
        if value:
            lines.append(f"  {label}: {one_line(value)}")
    return "\n".join(lines + _key_lines(found))


def examined_json(found: Examined) -> dict[str, object]:
    return {
        "verdict": found.verdict.value,
        "reason": found.reason,
        "what": found.what,
        "author": found.author,
        "key": found.key,
        "fingerprint": words.fingerprint(found.key),
        "key_since": stamp(found.key_since),
        "key_trust": found.key_trust.value if found.key_trust else None,
        "signed_at": stamp(found.signed_at),
    }


# ── people and keys ──────────────────────────────────────────────────────────────────────────


def person_json(actor: Actor) -> dict[str, object]:
    return {
        "handle": words.handle_of(actor),
        "name": words.name_of(actor),
        "url": actor.url or actor.iri,
        "looks_like": looks_like_json(actor),
    }


def fields_json(actor: Actor) -> list[dict[str, object]]:
    """The fields of a profile: name, value (HTML), and since when its link is known to link back, or null."""
    return [
        {"name": field.name, "value": field.value, "verified_at": stamp(field.verified_at)} for field in actor.fields
    ]


def field_words(field: ProfileField, value: str) -> str:
    """One field in a line; the check mark is ours, and never their text: theirs are taken out."""
    verified = f"  \N{CHECK MARK} links back, seen {field.verified_at:%Y-%m-%d}" if field.verified_at else ""
    return f"{lookalike.without_checks(one_line(field.name))}: {lookalike.without_checks(one_line(value))}{verified}"


def relations_json(relations: Sequence[Relation], people: Mapping[Iri, KnownActor]) -> list[dict[str, object]]:
    unknown: dict[str, object] = {"handle": None, "name": None, "url": None, "looks_like": None}
    return [
        {
            "actor": relation.actor,
            **(person_json(people[relation.actor].actor) if relation.actor in people else unknown),
            "state": relation.state.value,
            "since": stamp(relation.since),
        }
        for relation in relations
    ]


def relation_words(relation: Relation, people: Mapping[Iri, KnownActor], state: str) -> str:
    known = people.get(relation.actor)
    handle = words.handle_of(known.actor) if known else relation.actor
    name = f"  {one_line(words.name_of(known.actor))}" if known else ""
    warned = caution(known.actor, "\n  ") if known else []
    return f"{handle}{name}  {state}".rstrip() + "".join(warned)


def block_words(block: Block, people: Mapping[Iri, KnownActor]) -> str:
    known = people.get(Iri(block.value))
    shown = f"{words.handle_of(known.actor)}  {block.value}" if known else block.value
    return f"{shown}  {one_line(block.comment)}".rstrip()


def block_json(block: Block, people: Mapping[Iri, KnownActor]) -> dict[str, object]:
    known = people.get(Iri(block.value))
    return {
        "kind": block.kind,
        "value": block.value,
        "handle": words.handle_of(known.actor) if known else None,
        "comment": block.comment,
        "since": stamp(block.at),
    }


def mute_words(mute: Mute, people: Mapping[Iri, KnownActor]) -> str:
    known = people.get(mute.actor)
    handle = words.handle_of(known.actor) if known else mute.actor
    return handle + (f"  until {mute.until:%Y-%m-%d %H:%M} UTC" if mute.until else "")


def mute_json(mute: Mute, people: Mapping[Iri, KnownActor]) -> dict[str, object]:
    known = people.get(mute.actor)
    shown = person_json(known.actor) if known else {"handle": None, "name": None, "url": None, "looks_like": None}
    return {"actor": mute.actor, **shown, "since": stamp(mute.at), "until": stamp(mute.until)}


def key_words(key: KnownKey) -> str:
    """One known key, over two lines."""
    if isinstance(key.public, PublicTransport):
        shown = f"{key.public.fingerprint}  (transport)"
    else:
        shown = f"{key.material}\n  fingerprint: {key.public.fingerprint}"
    return f"{shown}\n  {_STATES[key.state]}; known since {words.date(key.since)}, {_TRUST[key.trust]}"


def key_json(key: KnownKey) -> dict[str, object]:
    return {
        "id": key.id,
        "kind": key.kind.value,
        "key": key.public.fingerprint if isinstance(key.public, PublicTransport) else key.material,
        "fingerprint": key.public.fingerprint,
        "since": stamp(key.since),
        "trust": key.trust.value,
        "state": key.state.value,
    }


# ── what was missed ──────────────────────────────────────────────────────────────────────────


def absence_json(found: Recovered) -> dict[str, object]:
    return {
        "since": stamp(found.since),
        "until": stamp(found.until),
        "posts": found.posts,
        "people": found.people,
        "unreachable": list(found.unreachable),
        "over": found.over,
    }
