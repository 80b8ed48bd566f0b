"""What applying a plan to a company would change: pure comparison of two plans.

Told twice: as sentences for the operator, and field by field for the audit trail.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime

from domain.activity import Change
from domain.errors import InvalidInput, WrongCurrency
from domain.money import MICRO_DIGITS, decimal_text, money_text
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
        changes = [f"company {wanted.slug}: {_sentence(change)}" for change in company_changes(stored, wanted)]
    known = {office.slug: office for office in stored.offices} if stored else {}
    for office in wanted.offices:
        changes += compare_office(known.get(office.slug), office, wanted.currency)
    for kind in ("member", "group", "contact"):
        before = getattr(stored, f"{kind}s") if stored else ()
        changes += _compare_directory(kind, before, getattr(wanted, f"{kind}s"), wanted.currency)
    return changes


def compare_office(stored: OfficePlan | None, wanted: OfficePlan, currency: str) -> list[str]:
    name = f"office {wanted.slug}"
    if stored is None:
        return [f"{name}: new"]
    changes = [f"{name}: {_sentence(change)}" for change in _differences(stored, wanted, currency)]
    for part, before, after in _parts(stored, wanted):
        if after is None:
            changes.append(f"{name}: {part} ends")
        elif before is None:
            changes.append(f"{name}: {part}: new, {_when(after)}")
        else:
            found = _differences(before, after, currency)
            changes += [f"{name}: {part}: {_sentence(change)}, {_when(after)}" for change in found]
    return changes


def company_changes(stored: CompanyPlan, wanted: CompanyPlan) -> list[Change]:
    """Of the company itself, without its offices and directory."""
    return list(_differences(stored, wanted, wanted.currency))


def office_changes(stored: OfficePlan, wanted: OfficePlan, currency: str) -> list[Change]:
    """Of an office and what its plan grants. What takes effect later says so."""
    changes = list(_differences(stored, wanted, currency))
    for part, before, after in _parts(stored, wanted):
        if before is None or after is None:
            told = [None if item is None else _summary(item, currency) for item in (before, after)]
            found = [Change(part, *told)]
        else:
            found = [
                change._replace(field=f"{part}: {change.field}") for change in _differences(before, after, currency)
            ]
        when = f", {_when(after)}" if after else ""
        changes += [change._replace(after=change.after and f"{change.after}{when}") for change in found]
    return changes


Part = AllowancePlan | CommitmentPlan


def _parts(stored: OfficePlan, wanted: OfficePlan) -> Iterator[tuple[str, Part | None, Part | None]]:
    """What each plan grants: its name, before and after; what grants nothing already does not end."""
    allowances = {allowance.service: allowance for allowance in stored.allowances}
    for allowance in wanted.allowances:
        yield f"{allowance.service} allowance", allowances.pop(allowance.service, None), allowance
    commitments = {commitment.kind: commitment for commitment in stored.commitments}
    for commitment in wanted.commitments:
        yield f"{commitment.kind} commitment", commitments.pop(commitment.kind, None), commitment
    for service, allowance in sorted(allowances.items()):
        if allowance.quantity:
            yield f"{service} allowance", allowance, None
    for kind, commitment in sorted(commitments.items()):
        if commitment.amount_micros:
            yield f"{kind} commitment", commitment, None


def _when(part: Part) -> str:
    return "now, if it is a raise" if part.is_immediate else "from the next cycle"


def _summary(part: Part, currency: str) -> str:
    if isinstance(part, CommitmentPlan):
        return f"{money_text(part.amount_micros, currency)} {part.cadence}"
    return f"{part.quantity} of {_text('usage_types', part.usage_types, currency)}"


def _sentence(change: Change) -> str:
    return f"{change.field} {change.before} → {change.after}"


def _compare_directory(kind: str, stored: Iterable[Plan], wanted: Iterable[Plan], currency: str) -> Iterator[str]:
    known = {getattr(entry, "external_id", None): entry for entry in stored}
    for entry in wanted:
        external_id = getattr(entry, "external_id", None)
        before = known.get(external_id)
        if before is None:
            yield f"{kind} {external_id}: new"
        else:
            found = _differences(before, entry, currency)
            yield from (f"{kind} {external_id}: {_sentence(change)}" for change in found)


def _differences(stored: Plan, wanted: Plan, currency: str) -> Iterator[Change]:
    for field in fields(wanted):
        if field.name in ONLY_AT_CREATION or field.name in _NESTED:
            continue
        before, after = getattr(stored, field.name), getattr(wanted, field.name)
        if field.name in _UNORDERED:
            before, after = tuple(sorted(before)), tuple(sorted(after))
        if before != after:
            told = [_text(field.name, value, currency) for value in (before, after)]
            yield Change(field.name.removesuffix("_micros"), *told)


def _text(name: str, value: object, currency: str) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(name, item, currency) for item in value) + "]"
    if isinstance(value, int) and name == "tax_rate_micros":
        return f"{decimal_text(value * 100, MICRO_DIGITS).rstrip('0').rstrip('.')} %"
    if isinstance(value, int) and (name.endswith("_micros") or name == "purchase_presets"):
        return money_text(value, currency)
    return "none" if value is None else str(value)
