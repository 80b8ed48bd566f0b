"""API keys: how a company's admins let a partner's system in, and out."""

from datetime import datetime
from secrets import token_bytes
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain.access import PartnerScope, Permission
from domain.api_keys import MAX_KEYS, MAX_NAME_CHARACTERS, PREFIX_CHARACTERS, SECRET_BYTES, make_secret
from domain.stories.keys import create_api_key, revoke_api_key
from persistence.api_keys import MAX_LISTED, offices_of, read_company_keys
from schema.context import Info
from schema.cost import sized
from schema.errors import UserError
from schema.ids import NOTHING, IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.office import Office, office_of
from schema.words import describe

if TYPE_CHECKING:
    from schema.company import Company

describe(
    PartnerScope,
    "What an API key may be used for.",
    {
        "USAGE_WRITE": "Report usage, and see and replay what was rejected.",
        "USAGE_READ": "Read the usage history with everybody in it.",
        "USAGE_REVERSE": "Take charges back.",
        "WALLETS_READ": "Read wallets, plan usage, top-ups and the ledger.",
        "HOLDS_WRITE": "Authorize usage before it happens, and keep funds for it.",
        "DIRECTORY_WRITE": "Synchronise members, groups and contacts; only with a key of every office.",
        "RATES_READ": "Read rates.",
    },
    name="ApiKeyScope",
)


async def _offices(root: "ApiKey", info: Info) -> list[Office] | None:
    office_ids = offices_of(root.row)
    if office_ids is None:
        return None
    rows = await info.context.loaders.offices.load_many(sorted(office_ids))
    return [office_of(row) for row in rows if row is not None]


@strawberry.type(
    description="A partner's key to the API: `Authorization: Bearer fbx_…`. It works until it is revoked, and does what"
    " a partner's token of the same scopes and offices does."
)
class ApiKey(Node):
    row: strawberry.Private[AnyRow]
    name: str = strawberry.field(
        description="What it is called: the `source` of the usage that it reports without naming one, and the actor in"
        " the audit trail."
    )
    prefix: str = strawberry.field(
        description=f"The first {PREFIX_CHARACTERS} characters of its secret, to recognise it by. The rest is not kept."
    )
    scopes: list[PartnerScope] = strawberry.field(description="What it may be used for.")
    offices: list[Office] | None = strawberry.field(
        directives=[sized(10)],
        resolver=_offices,
        description="The offices it is limited to; null for every office of the company.",
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to a minute; a moment ago may not show yet. Null if never."
    )
    revoked_at: datetime | None = strawberry.field(description="When it stopped working; null while it works.")


def api_key_of(row: AnyRow) -> ApiKey:
    return ApiKey(
        id=encode(IdKind.API_KEY, row.id),
        row=row,
        name=row.name,
        prefix=row.prefix,
        scopes=[PartnerScope(scope) for scope in row.scopes],
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


API_KEYS = f"The company's API keys, for its admins: those that work, then those revoked, at most {MAX_LISTED} in all."


async def resolve_api_keys(root: Annotated["Company", strawberry.lazy("schema.company")], info: Info) -> list[ApiKey]:
    context = info.context
    context.viewer.require(Permission.MANAGE_API_KEYS)
    rows = await read_company_keys(context.database, context.scope_of(root.row.company_id))
    return [api_key_of(row) for row in rows]


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(
        description=f"What to call it: 1 to {MAX_NAME_CHARACTERS} printable ASCII characters. It is the `source` of the"
        " usage that the key reports, and usage is known by source and event id. So no two keys that work have the same"
        " name: their events would be taken for each other's. A key that replaces a revoked one should take its name."
    )
    scopes: list[PartnerScope] = strawberry.field(
        description=f"What it may be used for, at least one. A company has at most {MAX_KEYS} keys that work."
    )
    office_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The offices it is limited to, at least one; every office when left out."
    )


async def _key(root: "CreateApiKeyPayload | RevokeApiKeyPayload", info: Info) -> ApiKey | None:
    row = await info.context.loaders.api_keys.load(root.key_id) if root.key_id else None
    return api_key_of(row) if row else None


@strawberry.type(description="A new API key, and its secret.")
class CreateApiKeyPayload:
    key_id: strawberry.Private[UUID | None] = None
    api_key: ApiKey | None = strawberry.field(resolver=_key, description="The key. Null when there are `userErrors`.")
    secret: str | None = strawberry.field(
        default=None,
        description="What the partner sends as `Authorization: Bearer fbx_…`. It is shown this once and kept nowhere:"
        " who loses it revokes the key and makes another. Null when there are `userErrors`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_create_api_key(
    info: Info, input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")]
) -> CreateApiKeyPayload:
    context, ids = info.context, input.office_ids
    secret = make_secret(token_bytes(SECRET_BYTES))
    key_id = await create_api_key(
        context.begin,
        context.viewer,
        secret=secret,
        name=input.name,
        scopes=input.scopes,
        office_ids=None if ids is None else [decode(IdKind.OFFICE, text) or NOTHING for text in ids],
        now=context.now,
    )
    return CreateApiKeyPayload(key_id=key_id, secret=secret)


@strawberry.input(description="An API key that shall not work any more.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The key, `key_…`. One that was revoked already stays as it is.")


@strawberry.type(description="A key that stopped working.")
class RevokeApiKeyPayload:
    key_id: strawberry.Private[UUID | None] = None
    api_key: ApiKey | None = strawberry.field(resolver=_key, description="The key. Null when there are `userErrors`.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_revoke_api_key(
    info: Info, input: Annotated[RevokeApiKeyInput, strawberry.argument(description="The key.")]
) -> RevokeApiKeyPayload:
    context = info.context
    key_id = decode(IdKind.API_KEY, input.id) or NOTHING
    return RevokeApiKeyPayload(key_id=await revoke_api_key(context.begin, context.viewer, key_id, now=context.now))
