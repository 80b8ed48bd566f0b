"""What is asked in every part, of Farebox and of the floor alike; and the same of PostGraphile, over its view."""

from typing import Any
from uuid import UUID

COLUMNS = """id occurredAt service usageType direction durationSeconds isBookedLate state
  office { id name } member { id name } group { id name } phoneNumber { text kind } quantity { value unit }
  walletSources cost { amount currencyCode } rate { amount currencyCode unit billingIncrement { label } }"""
"""The list columns of the product page: 25 leaves."""

HISTORY = f"""query History($filter: UsageHistoryFilter, $first: Int!) {{
  usageHistory(filter: $filter, first: $first) {{ nodes {{ {COLUMNS} }} pageInfo {{ hasNextPage }} }} }}"""

_MONEY = "{ amount currencyCode }"
CREDITS = f"""query Credits($officeId: ID!) {{
  wallets(officeId: $officeId) {{ id kind name balance {_MONEY} reserved {_MONEY} available {_MONEY}
    committed {_MONEY} spent {_MONEY} usedPercent }}
  planUsage(officeId: $officeId) {{ id service unit committed spent available usedPercent }} }}"""

PEER_HISTORY = """query History($office: UUID!, $first: Int!) {
  allUsageHistories(condition: { officeKey: $office }, first: $first, orderBy: [OCCURRED_AT_DESC, ROW_ID_DESC]) {
    nodes { record occurredAt service usageType direction durationSeconds isBookedLate state
      officeId officeName memberId memberName groupId groupName phoneText phoneKind quantityValue quantityUnit
      walletSources costAmount costCurrency rateAmount rateCurrency rateUnit incrementLabel }
    pageInfo { hasNextPage } } }"""

PEER_CREDITS = """query Credits($office: UUID!) {
  allOfficeWallets(condition: { officeKey: $office }) { nodes { wallet kind name balance balanceCurrency reserved
    reservedCurrency available availableCurrency committed committedCurrency spent spentCurrency usedPercent } }
  allOfficePlans(condition: { officeKey: $office }) { nodes { plan service unit committed spent available
    usedPercent } } }"""


def history(first: int, office_id: str | None) -> dict[str, Any]:
    """Of one office, or of all that the caller sees."""
    chosen = {"officeIds": [office_id]} if office_id else None
    return {"query": HISTORY, "operationName": "History", "variables": {"filter": chosen, "first": first}}


def credits_of(office_id: str) -> dict[str, Any]:
    return {"query": CREDITS, "operationName": "Credits", "variables": {"officeId": office_id}}


def peer_history(first: int, office: UUID) -> dict[str, Any]:
    return {"query": PEER_HISTORY, "operationName": "History", "variables": {"office": str(office), "first": first}}


def peer_credits(office: UUID) -> dict[str, Any]:
    return {"query": PEER_CREDITS, "operationName": "Credits", "variables": {"office": str(office)}}
