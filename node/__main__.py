"""python -m node: the same as the command `cuicui`, which begins here as well."""

from __future__ import annotations

import atexit
import os
import signal
import sys

INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Run `cuicui` as a program, and leave with its exit status. Ctrl-C ends it quietly from first to last.

    While modules load nothing was begun: the process ends where it is. When all is done Ctrl-C spares one the wait
    for threads; and while the interpreter takes itself down it changes nothing any more.
    """
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # with nohup, or `&`, it is ignored
    if is_heard:
        _ends_at_once(INTERRUPTED)
    from node import cli  # 50 ms

    try:
        if is_heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = cli.status_of(None)
    except KeyboardInterrupt:
        status = INTERRUPTED
    if is_heard:
        _ends_at_once(status)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    # If Ctrl-C came while code ran that is made of text (a dataclass in the making), Python would now end itself by the
    # signal, although it was dealt with: it forgets that only where such code runs again.
    exec("")  # noqa: S102 - nothing is executed
    sys.exit(status)


def _ends_at_once(status: int) -> None:
    signal.signal(signal.SIGINT, lambda *_: os._exit(status))


if __name__ == "__main__":
    main()
