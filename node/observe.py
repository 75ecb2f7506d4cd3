"""Event logs and counters: the same words in both."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from datetime import UTC, datetime

counters: Counter[str] = Counter()
"""What happened since the start, by name: `delivered`, `refused.stale`, `verdict.signed` …"""

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def count(name: str, by: int = 1) -> None:
    counters[name] += by


class _Text(logging.Formatter):
    """`time level event key=value …`, one line, whatever strangers put into the values."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        line = " ".join([stamp, record.levelname.lower(), record.getMessage(), *_pairs(record)])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _pairs(record: logging.LogRecord) -> list[str]:
    return [f"{name}={_quoted(value)}" for name, value in _extra(record).items()]


def _quoted(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _PLAIN}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **{name: str(value) for name, value in _extra(record).items()},
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


class _Unreadable(logging.Filter):
    """A request that is no HTTP is its sender's fault: one word of it, and nothing of what was sent (it may be a
    secret, and is a stranger's to choose)."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ == "aiohttp.http_exceptions":
            count("requests.unreadable")
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args, record.exc_info, record.exc_text = "request_unreadable", (), None, None
            record.problem = type(error).__name__
            return logging.getLogger("cuicui").isEnabledFor(logging.INFO)
        return True


def http_log() -> logging.Logger:
    """Where the HTTP server says what went wrong below our own handlers."""
    logger = logging.getLogger("cuicui.http")
    if not any(isinstance(one, _Unreadable) for one in logger.filters):
        logger.addFilter(_Unreadable())
    return logger


def set_up(level: str, style: str) -> None:
    """Send the `cuicui` loggers to standard error. Called once, by the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    logger = logging.getLogger("cuicui")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
