"""Companies and offices by their slugs, as tokens and reporters name them. Asked for with every request, so what was
found is believed for a second; what was not found is looked for again."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from uuid import UUID

from sqlalchemy import bindparam, select

from persistence.database import Database
from persistence.prepared import Prepared, Texts, one_of
from persistence.tables.company import COMPANY, OFFICE

BELIEVED_SECONDS = 1.0
"""No office ever takes another's slug; this is for a database that is put back to a copy under a running server."""
MAX_SLUGS = 20_000

_COMPANY = Prepared(select(COMPANY.c.company_id).where(COMPANY.c.slug == bindparam("slug")))
_OFFICES = Prepared(
    select(OFFICE.c.slug, OFFICE.c.id).where(
        OFFICE.c.company_id == bindparam("company"), one_of(OFFICE.c.slug, bindparam("slugs", type_=Texts()))
    )
)
Place = tuple[UUID | None, str]
"""An office's company and slug; a company's own slug has no company."""


class Slugs:
    """Of one process. `clock` tells seconds and never goes back."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._found: OrderedDict[Place, tuple[UUID, float]] = OrderedDict()
        """The id, and until when it is believed."""

    async def company(self, slug: str) -> UUID | None:
        known = self._known((None, slug))
        if known is None:
            rows = await self._database.look_up(_COMPANY, {"slug": slug})
            known = rows[0].company_id if rows else None
            self._note((None, slug), known)
        return known

    async def offices(self, company_id: UUID, slugs: Collection[str]) -> Mapping[str, UUID]:
        """Those that there are."""
        found = {slug: known for slug in slugs if (known := self._known((company_id, slug))) is not None}
        if unknown := sorted(slug for slug in slugs if slug not in found):
            database = self._database.of(company_id)
            for row in await database.look_up(_OFFICES, {"company": company_id, "slugs": unknown}):
                found[row.slug] = row.id
                self._note((company_id, row.slug), row.id)
        return found

    def _known(self, place: Place) -> UUID | None:
        id_, until = self._found.get(place, (None, 0.0))
        return id_ if self._clock() < until else None

    def _note(self, place: Place, id_: UUID | None) -> None:
        if id_ is None:
            return
        self._found[place] = id_, self._clock() + BELIEVED_SECONDS
        self._found.move_to_end(place)
        if len(self._found) > MAX_SLUGS:
            self._found.popitem(last=False)
