"""From one process to two: the same page from as many connections, on PostgreSQL; and batches that are charged."""

from benchmarks import queries, reporting
from benchmarks.company import BATCH, OFFICES, SLUG, found, load
from benchmarks.figure import Figure, Row, Work, interleaved
from benchmarks.load import Load
from benchmarks.parts.reading import Rater
from benchmarks.run import Run, serve
from domain.access import Role
from domain.public_ids import IdKind, public_id
from tests.fire.server import Server, token

CONNECTIONS = 16
NOTE = "database, load generator and both processes share the machine's cores: what two processes gain needs more"


async def measure(run: Run) -> list[Row]:
    with run.postgresql() as found_server:
        url = found_server.render_as_string(hide_password=False)
        world = await found(url)
        count = run.count(tiny=500, short=20_000, full=200_000)
        await load(world, count)
        asked = queries.history(100, public_id(IdKind.OFFICE, await world.office_id()))
        await world.database.close()
        one = await serve(run, "one", url)
        try:
            two = await serve(run, "two", url, workers=2)
            try:
                reader = token(SLUG, Role.COMPANY_ADMIN)
                pages: dict[str, Work] = {
                    name: Rater(Load(server.address, asked, reader), CONNECTIONS, run.load_seconds)
                    for name, server in (("one", one), ("two", two))
                }
                rows = [await _compared(run, f"history page of 100, {CONNECTIONS} connections", "/s", pages)]
                reports = _reports(run, {"one": one, "two": two}, count, world.now.isoformat())
                return [*rows, await _compared(run, f"`recordUsage`, batches of {BATCH}", "events/s", reports)]
            finally:
                two.kill()
        finally:
            one.kill()


MEASURES = (measure,)


def _reports(run: Run, servers: dict[str, Server], first: int, now: str) -> dict[str, Work]:
    events = BATCH * run.count(tiny=1, short=10, full=100)

    def reported(server: Server) -> Work:
        async def report() -> float:
            nonlocal first
            first += events
            told = (server.port, SLUG, first, events, BATCH, 4, OFFICES, now)
            return await reporting.rate(reporting.Report(*told))

        return report

    return {name: reported(server) for name, server in servers.items()}


async def _compared(run: Run, what: str, unit: str, works: dict[str, Work]) -> Figure:
    for work in works.values():
        await work()
    told = await interleaved(run.rounds, works)
    return Figure(
        what=f"PostgreSQL, 2 workers: {what}",
        unit=unit,
        values=told["two"],
        against="1 worker",
        beside=told["one"],
        note=NOTE,
    )
