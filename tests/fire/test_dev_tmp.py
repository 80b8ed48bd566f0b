import asyncio
import tests.fire.load as L, tests.fire.kills as K
from tests.fire.kills import Fire, burn


async def nop(self, *a, **k):
    await asyncio.sleep(0.2)


async def test_x(database_url, tmp_path, monkeypatch):
    for n in ("reserve",):
        monkeypatch.setattr(L.Load, n, nop)
    async with Fire.lit(database_url, tmp_path, blocks=2) as fire:
        try:
            r = await burn(fire, kills=5, seed=1)
        except BaseException as e:
            print(fire.server.log[-6000:])
            print(fire.journal.refusals, fire.journal.contradictions[:5])
            raise
        print("\n".join(r.lines()), fire.journal.refusals)
        print("\n".join(r.contradictions))
        log = fire.server.log
        if "Incident" in log:
            i = log.index("Incident")
            print(log[i : i + 3000])
    assert r.contradictions == []
