"""The contract put together: every root field in one place, and the schema object.

Resolvers live beside the types they return; a new root field is a line here.
"""

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.auto_recharge import AutoRecharge, resolve_auto_recharge
from schema.company import Company, Viewer, resolve_company, resolve_viewer
from schema.cost import size_lists, sized
from schema.defaults import leave_out_null_defaults
from schema.directory import UsagePartyConnection, resolve_usage_parties
from schema.errors import USER_ERRORS
from schema.holds import Hold, resolve_hold
from schema.ledger import PostingConnection, resolve_ledger
from schema.mutation import Mutation
from schema.node import resolve_node, resolve_nodes
from schema.nodes import Node
from schema.office import Office, OfficeConnection, resolve_office, resolve_offices
from schema.one_of import name_the_place_of_one_of
from schema.quote_purchase import CreditPurchaseQuote, resolve_quote_credit_purchase
from schema.quote_usage import UsageQuote, resolve_quote_usage
from schema.rates import RateConnection, resolve_rates
from schema.rejections import RejectedUsageConnection, resolve_rejected_usage
from schema.scalars import SCALARS
from schema.spending_alerts import SpendingAlert, resolve_spending_alerts
from schema.subscription import Subscription
from schema.top_ups import TopUp, TopUpConnection, resolve_top_up, resolve_top_ups
from schema.usage_history import UsageRecordConnection, resolve_usage_history
from schema.usage_record import UsageRecord, resolve_usage_record
from schema.usage_summary import UsageSummaryRow, resolve_usage_summary
from schema.wallets import PlanUsage, Wallet, resolve_plan_usage, resolve_wallets


@strawberry.type(
    description="Everything that can be read, as far as the token allows. A field that takes an id is nullable: an"
    " unknown id and one the caller may not see are both null. Ids inside a filter find nothing instead."
)
class Query:
    viewer: Viewer = strawberry.field(resolver=resolve_viewer, description="The caller.")
    company: Company | None = strawberry.field(
        resolver=resolve_company,
        description="The caller's company. Null for an operator who names none, and for anyone who names another's.",
    )
    offices: OfficeConnection = strawberry.field(
        resolver=resolve_offices, description="The offices the caller can see, by name."
    )
    office: Office | None = strawberry.field(resolver=resolve_office, description="One office.")
    wallets: list[Wallet] | None = strawberry.field(
        directives=[sized(30)],
        resolver=resolve_wallets,
        description="The wallets of one office, or of all visible ones by office name. Refused beyond 100 visible"
        " offices: use `Company.walletTotals`, or `wallets` of a page of `offices`.",
    )
    plan_usage: list[PlanUsage] | None = strawberry.field(
        directives=[sized(5)],
        resolver=resolve_plan_usage,
        description="What an office's plan includes in a billing cycle and how much of it is used: the plan usage"
        " table.",
    )
    usage_history: UsageRecordConnection = strawberry.field(
        resolver=resolve_usage_history,
        description="Every charged usage of the visible offices that fits the filter, last first unless told"
        " otherwise.",
    )
    usage_record: UsageRecord | None = strawberry.field(
        resolver=resolve_usage_record, description="One record of the usage history."
    )
    usage_summary: list[UsageSummaryRow] = strawberry.field(
        directives=[sized(200)],
        resolver=resolve_usage_summary,
        description="The usage history summed for charts, by `periodStart` and then by what cost most. A period without"
        " usage has no row. Cheap, however much usage there is: everything that is grouped and filtered by services,"
        " usage types, wallet sources, offices, direction and destination regions, with `occurredAt` on local midnights"
        " of all offices asked for; and members and groups by cycle. Anything else is summed from the records"
        " themselves: that takes longer, and `month` or both sides of `occurredAt` have to bound it, at most 92 days"
        " apart. At most 400 periods.",
    )
    usage_parties: UsagePartyConnection = strawberry.field(
        resolver=resolve_usage_parties,
        description='Members, groups and contacts by name: the typeahead of the filter "User, group, or contact".',
    )
    auto_recharge: AutoRecharge | None = strawberry.field(
        resolver=resolve_auto_recharge, description="An office's auto-recharge."
    )
    top_ups: TopUpConnection | None = strawberry.field(
        resolver=resolve_top_ups,
        description="Everything that was bought for an office, by people and by auto-recharge, last made first; what"
        " failed and what was skipped too.",
    )
    top_up: TopUp | None = strawberry.field(resolver=resolve_top_up, description="One top-up.")
    ledger: PostingConnection | None = strawberry.field(
        resolver=resolve_ledger, description="What moved in and out of a wallet, last posted first."
    )
    spending_alerts: list[SpendingAlert] | None = strawberry.field(
        directives=[sized(10)],
        resolver=resolve_spending_alerts,
        description="What somebody should know about spending, last raised first: the banner. At most the newest 100.",
    )
    quote_credit_purchase: CreditPurchaseQuote | None = strawberry.field(
        resolver=resolve_quote_credit_purchase,
        description="What credits would cost with tax, and what would stop the purchase. For callers who may buy.",
    )
    quote_usage: UsageQuote | None = strawberry.field(
        resolver=resolve_quote_usage,
        description="What usage would cost and who would pay, before it happens; also whether it would be authorized.",
    )
    rates: RateConnection = strawberry.field(
        resolver=resolve_rates, description="The company's rates, by prefix; past and coming ones included."
    )
    rejected_usage: RejectedUsageConnection = strawberry.field(
        resolver=resolve_rejected_usage,
        description="Reported usage that could not be charged and can be replayed, last reported first.",
    )
    hold: Hold | None = strawberry.field(resolver=resolve_hold, description="One hold.")
    node: Node | None = strawberry.field(
        resolver=resolve_node, description="Any object that has an id; null when there is none the caller may see."
    )
    nodes: list[Node | None] = strawberry.field(
        directives=[sized(100, "ids")],
        resolver=resolve_nodes,
        description="Several objects by their ids, in the order asked, null where there is none.",
    )


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=USER_ERRORS,
    config=StrawberryConfig(scalar_map=SCALARS),
)
leave_out_null_defaults(schema)
name_the_place_of_one_of(schema)
size_lists(schema)
