"""The ledger of one wallet: every amount that moved in or out, and what it left (R4)."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.access import Permission
from domain.periods import YearMonth
from persistence.postings import read_posting_page
from schema.connections import After, Before, Connection, First, Last, page, window_of
from schema.context import Info, lagging
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.scalars import Money, money
from schema.top_ups import TopUp, load_top_up
from schema.usage_record import UsageRecord, load_record

_WALLET_ACCOUNT = "wallet:"


async def _usage_record(root: "Posting", info: Info) -> UsageRecord | None:
    if not info.context.may(Permission.VIEW_USAGE):
        return None
    return await load_record(info, root.row.charge_id)


async def _top_up(root: "Posting", info: Info) -> TopUp | None:
    return await load_top_up(info.context, root.row.top_up_id)


@strawberry.type(
    description="An amount that moved from one account to another. Postings are never changed; a correction is a new"
    " one."
)
class Posting(Node):
    row: strawberry.Private[AnyRow]
    posted_at: datetime = strawberry.field(description="When it was written.")
    occurred_at: datetime = strawberry.field(description="When what it stands for happened, such as the call.")
    source: str = strawberry.field(
        description="The account it came from: `wallet:UNIVERSAL`; `wallet:CALLING:2026-03`, a commitment's account"
        " of one cycle; `contract`, which grants commitments; `adjustment`; `expired`; `usage:CALLING` when usage"
        " was reversed; `card` and `receivable` (invoices), which pay for universal credits."
    )
    destination: str = strawberry.field(
        description="The account it went to: a wallet, `usage:CALLING` and its like, `expired`, `adjustment`,"
        " `contract`; `card`, `receivable` or `bank` when credits were given back."
    )
    change: Money = strawberry.field(description="The amount seen from the wallet: negative when it went out.")
    balance_after: Money = strawberry.field(
        description="What the wallet held afterwards; of a commitment, the account of that cycle."
    )
    usage_record: UsageRecord | None = strawberry.field(
        resolver=_usage_record,
        description="The usage that was paid. Null for everything else, and for callers who may not see usage.",
    )
    top_up: TopUp | None = strawberry.field(
        resolver=_top_up,
        description="The top-up whose credits were added, or given back. Null for everything else.",
    )
    note: str | None = strawberry.field(description="Why, where a person gave a reason.")


@strawberry.type(description="A page of a wallet's postings, last posted first.")
class PostingConnection(Connection[Posting]):
    pass


def posting_of(row: AnyRow) -> Posting:
    is_incoming = row.destination.startswith(_WALLET_ACCOUNT)
    return Posting(
        id=encode(IdKind.POSTING, row.id),
        row=row,
        posted_at=row.posted_at,
        occurred_at=row.occurred_at,
        source=row.source,
        destination=row.destination,
        change=money(row.amount_micros if is_incoming else -row.amount_micros, row.currency),
        balance_after=money(row.balance_after_micros, row.currency),
        note=row.note,
    )


async def resolve_ledger(
    info: Info,
    wallet_id: Annotated[strawberry.ID, strawberry.argument(description="The wallet.")],
    month: Annotated[
        YearMonth | None,
        strawberry.argument(
            description="Only what was posted within the office's billing cycle with this label; all when left out."
        ),
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> PostingConnection | None:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    wallet = decode(IdKind.WALLET, wallet_id)
    await context.renewed()
    if wallet is None or await context.loaders.wallets.load(wallet) is None:
        return None  # before the cursor is looked at: one that fits would tell that there is such a wallet
    seal = context.cursors((int,), "ledger", wallet, month)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_posting_page(
        lagging(info), context.scope, wallet_id=wallet, month=month.number if month else None, window=window
    )
    return PostingConnection(**page(seal, window, found, map(posting_of, found.rows), lambda row: (row.sequence,)))
