"""Modules that are executed when something in them is first asked for: what one command needs, another is spared."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def when_used(name: str) -> Any:
    """The module `name`, not executed yet. For the command line, where each start counts in time and memory.

    Measured: the node with its libraries takes 0.5 s to import, `cuicui --help` without it 0.06 s; a
    node that runs holds 1.5 MiB less without backup, demo and doctor.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.loader is not None, name
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
