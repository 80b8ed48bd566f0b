"""From the slugs of a checked token to the viewer who may see and do what they stand for (R40)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from domain.access import PartnerScope, Role, Viewer
from domain.errors import NotFound
from persistence.slugs import Slugs


async def find_viewer(
    known: Slugs,
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
    company_id = None if company is None else await _company_id(known, company)
    return Viewer(
        subject=subject,
        name=name,
        role=role,
        company_id=company_id,
        office_ids=await _office_ids(known, company_id, role, offices),
        has_billing=has_billing,
        scopes=frozenset(scopes),
        expires_at=expires_at,
    )


async def _company_id(known: Slugs, slug: str) -> UUID:
    company_id = await known.company(slug)
    if company_id is None:
        raise NotFound("The company this token names does not exist.")
    return company_id


async def _office_ids(
    known: Slugs, company_id: UUID | None, role: Role, slugs: Collection[str] | None
) -> frozenset[UUID] | None:
    if company_id is None or role in (Role.COMPANY_ADMIN, Role.OPERATOR):
        return None
    if slugs is None:
        return frozenset() if role is Role.OFFICE_ADMIN else None
    wanted = set(slugs)
    found = await known.offices(company_id, wanted)
    if len(found) != len(wanted):
        raise NotFound("An office this token names does not exist.")
    return frozenset(found.values())
