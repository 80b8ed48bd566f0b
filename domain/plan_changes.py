"""What applying a plan to a company would change, as sentences for the operator: pure comparison of two plans."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime

from domain.errors import InvalidInput, WrongCurrency
from domain.periods import first_instant
from domain.provisioning import (
    AllowancePlan,
    CommitmentPlan,
    CompanyPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    OfficePlan,
)
from domain.usage import MAX_BACKFILL_AGE

ONLY_AT_CREATION = frozenset({"opened_on", "opening_credits_micros", "is_immediate"})
"""These say how something begins, not what it is: they do not count as a change afterwards."""
_UNORDERED = frozenset({"phone_numbers"})
"""An office has its numbers in no order: naming them otherwise is no change."""
_NESTED = frozenset({"offices", "members", "groups", "contacts", "allowances", "commitments"})

Plan = CompanyPlan | OfficePlan | AllowancePlan | CommitmentPlan | DirectoryMember | DirectoryGroup | DirectoryContact


def check_plan(stored: CompanyPlan | None, wanted: CompanyPlan, now: datetime) -> None:
    """Raises what no apply can do, a dry run included.

    WrongCurrency: a company has one currency for ever, its books could not be read in another (R1). InvalidInput for
    a new office that opens later than today, which would be charged to a cycle that has not begun, or before history.
    """
    if stored is not None and stored.currency != wanted.currency:
        raise WrongCurrency(f"{wanted.slug} keeps its books in {stored.currency}: a currency cannot be changed.")
    known = {office.slug for office in stored.offices} if stored else set()
    for office in wanted.offices:
        if office.opened_on is None or office.slug in known:
            continue
        if first_instant(office.opened_on, office.time_zone) > now:
            raise InvalidInput(f"Office {office.slug} cannot open in the future: since {office.opened_on} is not yet.")
        if first_instant(office.opened_on, office.time_zone) < now - MAX_BACKFILL_AGE:
            years = MAX_BACKFILL_AGE.days // 365
            raise InvalidInput(f"Office {office.slug} cannot open {years} years ago or earlier: {office.opened_on}.")


def compare_company(stored: CompanyPlan | None, wanted: CompanyPlan) -> list[str]:
    """Empty when nothing would change. What the file does not mention stays as it is."""
    if stored is None:
        changes = [f"company {wanted.slug}: new"]
    else:
        changes = [f"company {wanted.slug}: {change}" for change in _differences(stored, wanted)]
    known = {office.slug: office for office in stored.offices} if stored else {}
    for office in wanted.offices:
        changes += compare_office(known.get(office.slug), office)
    for kind in ("member", "group", "contact"):
        before = getattr(stored, f"{kind}s") if stored else ()
        changes += _compare_directory(kind, before, getattr(wanted, f"{kind}s"))
    return changes


def compare_office(stored: OfficePlan | None, wanted: OfficePlan) -> list[str]:
    name = f"office {wanted.slug}"
    if stored is None:
        return [f"{name}: new"]
    changes = [f"{name}: {change}" for change in _differences(stored, wanted)]
    allowances = {allowance.service: allowance for allowance in stored.allowances}
    for allowance in wanted.allowances:
        changes += _part(f"{name}: {allowance.service} allowance", allowances.pop(allowance.service, None), allowance)
    commitments = {commitment.kind: commitment for commitment in stored.commitments}
    for commitment in wanted.commitments:
        changes += _part(f"{name}: {commitment.kind} commitment", commitments.pop(commitment.kind, None), commitment)
    changes += [f"{name}: {service} allowance ends" for service, left in sorted(allowances.items()) if left.quantity]
    changes += [f"{name}: {kind} commitment ends" for kind, left in sorted(commitments.items()) if left.amount_micros]
    return changes


def _part(name: str, stored: Plan | None, wanted: AllowancePlan | CommitmentPlan) -> list[str]:
    when = "now, if it is a raise" if wanted.is_immediate else "from the next cycle"
    if stored is None:
        return [f"{name}: new, {when}"]
    return [f"{name}: {change}, {when}" for change in _differences(stored, wanted)]


def _compare_directory(kind: str, stored: Iterable[Plan], wanted: Iterable[Plan]) -> Iterator[str]:
    known = {getattr(entry, "external_id", None): entry for entry in stored}
    for entry in wanted:
        external_id = getattr(entry, "external_id", None)
        before = known.get(external_id)
        if before is None:
            yield f"{kind} {external_id}: new"
        else:
            yield from (f"{kind} {external_id}: {change}" for change in _differences(before, entry))


def _differences(stored: Plan, wanted: Plan) -> Iterator[str]:
    for field in fields(wanted):
        if field.name in ONLY_AT_CREATION or field.name in _NESTED:
            continue
        before, after = getattr(stored, field.name), getattr(wanted, field.name)
        if field.name in _UNORDERED:
            before, after = tuple(sorted(before)), tuple(sorted(after))
        if before != after:
            yield f"{field.name} {_text(before)} → {_text(after)}"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return "none" if value is None else str(value)
