"""What leaves a process in its log: one object a line, and nothing that looks like a secret or a phone number."""

import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from api.logs import OURS, SERVER, set_up, set_up_quietly
from api.scrubbing import scrubbed, scrubbed_values, told
from api.settings import LogFormat, LogLevel, Settings
from persistence.database import Database
from tests.api.edge import make_app, serve
from tests.api.test_origins import HANDSHAKE, KEY


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was written to standard error. Afterwards logging is as it was before."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    loggers = [root, *map(logging.getLogger, (*OURS, *SERVER, "uvicorn.error"))]
    levels = [logger.level for logger in loggers]
    server = logging.getLogger("uvicorn")  # a server of another test may have set up its own log
    of_server = (server.handlers, server.propagate)
    server.handlers, server.propagate = [], True
    loggers[-1].setLevel(logging.NOTSET)
    yield lambda: capsys.readouterr().err
    root.handlers = handlers
    server.handlers, server.propagate = of_server
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def log_as(form: LogFormat = LogFormat.JSON, level: LogLevel = LogLevel.INFO) -> None:
    set_up(Settings(_env_file=None, log_format=form, log_level=level))


def lines(written: Callable[[], str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written().splitlines()]


def test_a_line_is_one_json_object_with_the_same_first_fields(written: Callable[[], str]) -> None:
    log_as()

    logging.getLogger("api.somewhere").warning("A %s\nof two lines", "text", extra={"queue": "top_ups", "count": 3})
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[36mStarted"})

    first, second = lines(written)
    assert list(first) == ["timestamp", "level", "event", "logger", "queue", "count"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", first.pop("timestamp"))
    assert first == {
        "level": "warning",
        "event": "A text\nof two lines",
        "logger": "api.somewhere",
        "queue": "top_ups",
        "count": 3,
    }
    assert (second["event"], second["logger"]) == ("Started", "uvicorn")
    assert "color_message" not in second


def test_people_read_the_same_on_a_console(written: Callable[[], str]) -> None:
    log_as(LogFormat.CONSOLE)

    logging.getLogger("api.somewhere").info("Bearer abcdef123456", extra={"queue": "top_ups"})

    [line] = written().splitlines()
    assert "queue=top_ups" in line
    assert "abcdef" not in line


def test_others_do_not_tell_their_small_print(written: Callable[[], str]) -> None:
    """Some would log statements with their values, and the frames of sockets."""
    log_as(level=LogLevel.DEBUG)

    for name in ("aiosqlite", "sqlalchemy.engine", "websockets.server", "asyncio", "stripe"):
        logging.getLogger(name).debug("secret")
        logging.getLogger(name).info("secret")
    logging.getLogger("uvicorn.error").debug("secret")
    logging.getLogger("persistence.changes").debug("ours")

    assert [line["event"] for line in lines(written) if line["logger"] != "uvicorn"] == ["ours"]


def test_a_connection_that_is_closed_for_a_caller_who_has_gone_is_no_fault(written: Callable[[], str]) -> None:
    log_as()

    logging.getLogger("asyncio").error(
        "Task was destroyed but it is pending!\ntask: <coro=_terminate_graceful_close()>"
    )
    logging.getLogger("asyncio").error("Task was destroyed but it is pending!\ntask: <coro=ours()>")

    [line] = lines(written)
    assert line["event"].endswith("ours()>")


def test_no_address_of_a_socket_is_told(written: Callable[[], str]) -> None:
    log_as()

    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "10.0.0.1:5", "/graphql?token=sesame")
    logging.getLogger("uvicorn.error").info("connection open")

    assert written() == ""


def test_a_command_tells_what_went_wrong_and_no_more(written: Callable[[], str]) -> None:
    set_up_quietly()

    logging.getLogger("api.somewhere").info("all is well")
    try:
        raise RuntimeError("called +14155550199")
    except RuntimeError:
        logging.getLogger("api.somewhere").exception("Incident %s", "abc")

    first, *_, last = written().splitlines()
    assert first == "ERROR: Incident abc"
    assert last == "builtins.RuntimeError: called +***"


SECRETS = """
    Authorization: Bearer abc.def-123              -> abc.def
    {'authorization': 'Basic dXNlcjpwYXNz'}         -> dXNl
    the key fbx_live_8f3k2j1h0 of a partner         -> 8f3k
    sk_live_51Habcdef and whsec_c2VjcmV0c2VjcmV0    -> 51Ha c2Vj
    eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbg     -> eyJz c2ln
    called +14155550199 and +44 20 7946 0958        -> 4155 7946
    called +1 (415) 555-0199, and %2B14155550199    -> 415 0199
    password=hunter2 token: "tooth" secret=sesame   -> hunter2 tooth sesame
    postgresql://farebox:hunter2@db/farebox         -> hunter2
    postgresql://farebox:hun@ter2@db/farebox        -> hun ter2
    redis://:hunter2@db                             -> hunter2
    tel:+49/151/12345678 or +49\u00a0151\u00a012345678 -> 151 1234
    \uff0b4915112345678, +4\u200b915112345678      -> 4915 9151
    +49\u2013151\u202f12345678 and %2B49%20151%2012345678 -> 151 1234
    whsec_abc, partner_whsec_7 and whsec_a+b/Ym9v==  -> abc 7 a+b Ym9v ==
    GET /exports/AbCd-Ef_01==/usage.csv             -> AbCd Ef_01
"""


@pytest.mark.parametrize("case", [line.strip() for line in SECRETS.strip().splitlines()])
def test_secrets_and_numbers_are_not_written(case: str) -> None:
    text_, _, hidden = case.partition(" -> ")

    for part in hidden.split():
        assert part in text_
        assert part not in scrubbed(text_)


@pytest.mark.parametrize(
    "text_",
    [
        "2026-03-02T09:15:04+00:00",
        "Incident 123456789012: operation Usage, field usage.edges.0.node",
        "whether this token is still valid",
        "Uvicorn running on http://127.0.0.1:8000",
        "viw_3f7c1d0e7a4b4a5f9a3d2b6c8e1f0a92",
        "http://127.0.0.1:8000/graphql",
        "1+2/3 of 4",
    ],
)
def test_what_is_neither_stays(text_: str) -> None:
    assert scrubbed(text_) == text_


def test_values_are_looked_at_whatever_their_names_are() -> None:
    assert scrubbed_values({7: "called +14155550199", ("a", "token"): "sesame", "in": {8: "+14155550199"}}) == {
        "7": "called +***",
        "('a', 'token')": "***",
        "in": {"8": "+***"},
    }


def test_what_anybody_at_the_port_can_do_fills_no_log(written: Callable[[], str]) -> None:
    """Handshakes that are refused, broken ones, and no HTTP at all, at a real server."""
    log_as()
    with serve(make_app(), log_config=None, log_level="info") as address:
        logging.getLogger("uvicorn.error").info("It serves.")
        port = int(address.rpartition(":")[2])
        for request, status in (
            (HANDSHAKE + KEY + b"Origin: https://evil.example\r\n\r\n", b"403"),
            (HANDSHAKE + b"\r\n", b"400"),
            (HANDSHAKE + b"Sec-WebSocket-Key: \xff\r\n\r\n", b"400"),
            (b"\x16\x03\x01 no HTTP\r\n\r\n", b"400"),
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
                line.sendall(request)
                answer = b"".join(iter(lambda line=line: line.recv(65_536), b""))  # type: ignore[misc]
            assert answer.startswith(b"HTTP/1.1 " + status)
    found = lines(written)
    assert "It serves." in [line["event"] for line in found]
    assert [line for line in found if line["level"] not in ("info", "debug")] == []


@given(st.text(max_size=40), st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True), st.text(max_size=40))
def test_no_number_in_e164_gets_through(before: str, phone_number: str, after: str) -> None:
    assert phone_number not in scrubbed(f"{before} {phone_number} {after}")


async def test_a_broken_rule_of_the_database_is_told_without_the_row(database: Database) -> None:
    """PostgreSQL tells the row under DETAIL; no engine tells the parameters."""
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE note (body TEXT PRIMARY KEY)"))
    statement, values = text("INSERT INTO note VALUES (:body)"), {"body": "Meet me\n\nat noon"}

    async def insert() -> None:
        async with database.writing() as connection:
            await connection.execute(statement, values)

    await insert()
    with pytest.raises(IntegrityError) as caught:
        await insert()

    found = told(caught.value)
    assert "IntegrityError" in found
    assert "note" in found
    assert "noon" not in found
    assert "Meet" not in found


def test_an_exception_is_told_with_what_it_came_from_and_without_its_locals() -> None:
    def fail(body: str) -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ExceptionGroup("two", [ValueError("second"), OSError("third" * 1_000)]) from error

    with pytest.raises(ExceptionGroup) as caught:
        fail("Meet me at noon")

    found = told(caught.value)
    assert all(part in found for part in ("KeyError: 'first'", "ValueError: second", "in fail"))
    assert "noon" not in found.replace('fail("Meet me at noon")', "")
    assert len(found) < 5_000
