"""The log: one line an event on standard error, as JSON for machines or for people to read.

All of it goes through here: our own loggers, the server's, SQLAlchemy's. Rules: no phone numbers, no bodies of
messages, no variables, no documents, no tokens, no addresses of requests. Whoever logs sees to it, and
`api.scrubbing` goes over every line once more.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson

from api.scrubbing import scrubbed, scrubbed_values, told
from api.settings import LogFormat, LogLevel, Settings

OURS = ("api", "schema", "persistence", "domain", "farebox")
"""These tell as much as is asked for; of all others only what went wrong, or what they say in small print would be
statements with their values, and the frames of sockets."""
SERVER = ("uvicorn", "alembic")

_OF_SOCKETS = ('%s - "WebSocket', "connection open", "connection closed", "connection rejected")
_OF_ANYBODY = "Invalid HTTP request received."
"""A warning that whoever can reach the port could fill the log with; `api.http_line` tells it in small print."""

Event = MutableMapping[str, Any]
_META = ("_record", "_from_structlog")
_NOT_SHOWN = {*_META, "color_message", "message", "asctime"}
"""The last two are what another handler has left in the record."""


def set_up(settings: Settings) -> None:
    """Of this process, from now on: of every one that serves."""
    _install(_formatter(settings.logs_as), settings.log_level)


def set_up_quietly() -> None:
    """Of a command: a person reads its own words, and of the log what went wrong."""
    _install(_Plain(), LogLevel.WARNING)


class _Handler(logging.StreamHandler[TextIO]):
    """To standard error as it is by then, a line at once."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _means_something(record: logging.LogRecord) -> bool:
    """Not each socket's coming and going, with its address: operations are told instead. Nor that a caller went in the
    middle of a read on SQLite: the driver closes that connection with a task that nobody keeps, and asyncio takes its
    end for a fault."""
    if record.name == "uvicorn.error":
        return not str(record.msg).startswith((*_OF_SOCKETS, _OF_ANYBODY))
    return record.name != "asyncio" or "_terminate_graceful_close" not in record.getMessage()


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname}: {scrubbed(record.getMessage())}"
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line}\n{told(error)}"


def _install(formatter: logging.Formatter, level: LogLevel) -> None:
    root = logging.getLogger()
    for handler in [found for found in root.handlers if isinstance(found, _Handler)]:
        root.removeHandler(handler)
    handler = _Handler()
    handler.setFormatter(formatter)
    handler.addFilter(_means_something)
    root.addHandler(handler)
    wanted = logging.getLevelName(level.upper())
    root.setLevel(max(wanted, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(wanted)
    for name in SERVER:
        logging.getLogger(name).setLevel(max(wanted, logging.INFO))


def _formatter(form: LogFormat) -> logging.Formatter:
    import structlog  # slow to import, and commands need none of it

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _name_the_server,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_the_exception,
        _scrub,
    ]
    last: Any = structlog.processors.JSONRenderer(serializer=_json)
    if form is LogFormat.CONSOLE:
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_exception)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )


def _name_the_server(_logger: Any, _method: str, event: Event) -> Event:
    """uvicorn calls its log of errors what is its log of everything."""
    if event["logger"] == "uvicorn.error":
        event["logger"] = "uvicorn"
    return event


def _name_the_exception(_logger: Any, _method: str, event: Event) -> Event:
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = told(error)
    return event


def _scrub(_logger: Any, _method: str, event: Event) -> Event:
    meta = {key: event[key] for key in _META if key in event}
    shown = scrubbed_values({key: value for key, value in event.items() if key not in _NOT_SHOWN})
    return {**shown, **meta}


def _json(event: Event, **_options: Any) -> str:
    first = {name: event[name] for name in ("timestamp", "level", "event", "logger") if name in event}
    return orjson.dumps({**first, **event}, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _write_exception(_stream: TextIO, _found: Any) -> None:
    """Nothing is left to write: exceptions are texts by then."""
