"""What SQLAlchemy made of our statements, kept once for all engines of a process.

An engine keeps what it compiled to itself, under its own dialect object. A store on SQLite has two engines
that say much the same, and a process may open several stores (`demo`, `backup`, tests): each compiled every
statement anew, a quarter of the time of a short-lived node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.util import LRUCache

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect


class Statements(LRUCache[Any, Any]):
    """For the execution option `compiled_cache`: a dialect is known by its kind and the server's version.

    Right as long as all engines of one kind are made with the same options, as store.py does.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(_by_kind(key), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__(_by_kind(key), value)


def _by_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect: Dialect = key[0]
    version = getattr(dialect, "server_version_info", None)  # known once it was connected to
    return ((dialect.name, dialect.driver, version), *key[1:])


statements = Statements(1000)
