"""A company admin gives a partner a key, and takes it back (R40)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from domain.access import PartnerScope, Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.api_keys import PREFIX_CHARACTERS, ApiKey, check_beside, check_new_key, secret_hash
from domain.errors import NotFound
from domain.ports import Door

CREATE = "createApiKey"
REVOKE = "revokeApiKey"


async def create_api_key(
    door: Door,
    viewer: Viewer,
    *,
    secret: str,
    name: str,
    scopes: Sequence[PartnerScope],
    office_ids: Sequence[UUID] | None,
    now: datetime,
) -> UUID:
    """The id of a key that works at once. Of its secret only a hash and the first characters are kept.

    Raises NotPermitted, NotFound (for an office), Required, InvalidInput and TooHigh.
    """
    viewer.require(Permission.MANAGE_API_KEYS)
    key = ApiKey(
        id=door.new_id(),
        company_id=Scope.of(viewer).company,
        name=name,
        scopes=frozenset(scopes),
        office_ids=None if office_ids is None else frozenset(office_ids),
    )
    check_new_key(name, scopes, office_ids)
    await door.again(partial(_create, door, viewer, key, secret, office_ids or (), now))
    return key.id


async def _create(
    door: Door, viewer: Viewer, key: ApiKey, secret: str, office_ids: Sequence[UUID], now: datetime
) -> None:
    async with door.provision(key.company_id, now) as work:
        slugs = await work.office_slugs(office_ids)
        for place, office_id in enumerate(office_ids):
            if office_id not in slugs:
                raise NotFound("There is no such office.", field=("officeIds", place))
        check_beside(key.name, await work.working_key_names())
        await work.add_api_key(
            key, prefix=secret[:PREFIX_CHARACTERS], key_hash=secret_hash(secret), created_by=viewer.name
        )
        await work.save_activity(act(viewer, CREATE, *_told(key, slugs), target=(TargetKind.API_KEY, key.id)))


def _told(key: ApiKey, slugs: Mapping[UUID, str]) -> list[Change]:
    """For the audit trail: what the key opens, and never a part of its secret."""
    offices = "all" if key.office_ids is None else ", ".join(sorted(slugs[office] for office in key.office_ids))
    return [
        Change("name", None, key.name),
        Change("scopes", None, ", ".join(scope.value for scope in PartnerScope if scope in key.scopes)),
        Change("offices", None, offices),
    ]


async def revoke_api_key(door: Door, viewer: Viewer, key_id: UUID, *, now: datetime) -> UUID:
    """The key stops working, in every process at once; one that was revoked stays as it is. Its id.

    Raises NotPermitted and NotFound.
    """
    viewer.require(Permission.MANAGE_API_KEYS)
    return await door.again(partial(_revoke, door, viewer, key_id, now))


async def _revoke(door: Door, viewer: Viewer, key_id: UUID, now: datetime) -> UUID:
    async with door.provision(Scope.of(viewer).company, now) as work:
        key = await work.find_api_key(key_id)
        if key is None:
            raise NotFound("There is no such API key.", field=("id",))
        if key.revoked_at is None:
            await work.revoke_api_key(key_id)
            name = Change("name", key.name, None)
            await work.save_activity(act(viewer, REVOKE, name, target=(TargetKind.API_KEY, key_id)))
    return key_id
