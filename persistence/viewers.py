"""From the slugs of a checked token to the viewer who may see and do what they stand for (R40)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select

from domain.access import PartnerScope, Role, Viewer
from domain.errors import NotFound
from persistence.database import Database
from persistence.prepared import Prepared, Texts, one_of
from persistence.tables.company import COMPANY, OFFICE

_COMPANY = Prepared(select(COMPANY.c.company_id).where(COMPANY.c.slug == bindparam("slug")))
_OFFICES = Prepared(
    select(OFFICE.c.id).where(
        OFFICE.c.company_id == bindparam("company_id"), one_of(OFFICE.c.slug, bindparam("slugs", type_=Texts()))
    )
)


async def find_viewer(
    database: Database,
    *,
    subject: str,
    name: str,
    role: Role,
    company: str | None = None,
    offices: Collection[str] | None = None,
    has_billing: bool = False,
    scopes: Collection[PartnerScope] = (),
    expires_at: datetime,
) -> Viewer:
    """The viewer of a token that names a company and offices by slug.

    Company admins and operators have every office; office admins exactly those named, so none when none is named;
    partners those named, or every office when the token does not narrow them. Raises NotFound when the company or one
    of the offices does not exist, or when anyone but an operator names no company.
    """
    if company is None and role is not Role.OPERATOR:
        raise NotFound("This token names no company.")
    company_id = None if company is None else await _company_id(database, company)
    return Viewer(
        subject=subject,
        name=name,
        role=role,
        company_id=company_id,
        office_ids=await _office_ids(database, company_id, role, offices),
        has_billing=has_billing,
        scopes=frozenset(scopes),
        expires_at=expires_at,
    )


async def _company_id(database: Database, slug: str) -> UUID:
    found = await database.look_up(_COMPANY, {"slug": slug})
    if not found:
        raise NotFound("The company this token names does not exist.")
    company_id: UUID = found[0].company_id
    return company_id


async def _office_ids(
    database: Database, company_id: UUID | None, role: Role, slugs: Collection[str] | None
) -> frozenset[UUID] | None:
    if company_id is None or role in (Role.COMPANY_ADMIN, Role.OPERATOR):
        return None
    if slugs is None:
        return frozenset() if role is Role.OFFICE_ADMIN else None
    wanted = set(slugs)
    rows = await database.look_up(_OFFICES, {"company_id": company_id, "slugs": sorted(wanted)})
    if len(rows) != len(wanted):
        raise NotFound("An office this token names does not exist.")
    return frozenset(row.id for row in rows)
