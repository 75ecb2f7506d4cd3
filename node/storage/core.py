"""SQLAlchemy's asyncio engine without its ORM.

`sqlalchemy.ext.asyncio` imports the whole ORM for a session that nothing here uses: 6 MiB of memory
and 40 ms of start, measured. Its engine module does not need that, so the package is entered
without running its `__init__`. Should a later SQLAlchemy be built otherwise, the plain import is
what remains, and only the memory is lost.
"""

from __future__ import annotations

import importlib.util
import sys

_PACKAGE = "sqlalchemy.ext.asyncio"


def _enter_without_orm() -> None:
    spec = importlib.util.find_spec(_PACKAGE)
    if _PACKAGE in sys.modules or spec is None:
        return
    sys.modules[_PACKAGE] = package = importlib.util.module_from_spec(spec)
    try:
        engine = importlib.import_module(f"{_PACKAGE}.engine")
    except ImportError:
        del sys.modules[_PACKAGE]
        return
    for name in ("AsyncConnection", "AsyncEngine", "create_async_engine"):
        setattr(package, name, getattr(engine, name))  # for whoever imports them from the package


_enter_without_orm()

from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine  # noqa: E402

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]
