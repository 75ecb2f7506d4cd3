"""Questions at the keyboard, which Ctrl-C ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click


def confirmed(question: str) -> bool:
    """Yes or no. Raises click.Abort."""
    with _heard():
        return click.confirm(question, err=True)


def secret(question: str, *, twice: bool = False) -> str:
    """What is typed unseen. Raises click.Abort."""
    with _heard():
        return str(click.prompt(question, hide_input=True, confirmation_prompt=twice, err=True))


@contextmanager
def _heard() -> Iterator[None]:
    """Let signals act as usual meanwhile: asyncio hands them to its loop, and that waits for the answer."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    acting = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in acting:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in acting.items():
            signal.signal(number, handler)
