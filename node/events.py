"""After a commit: who inside this process wants to know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from node.model import Tell

log = logging.getLogger("cuicui.events")

Listener = Callable[[Tell], None]


class Events:
    """Publish and subscribe, in one process, in order, without waiting. A listener must not block."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Returns what ends the subscription."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, tells: Iterable[Tell]) -> None:
        for tell in tells:
            for listener in tuple(self._listeners):
                try:
                    listener(tell)
                except Exception:  # one deaf listener must not keep the news from the others
                    log.exception("a listener failed", extra={"kind": tell.kind})
