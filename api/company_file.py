"""Reads the file of `farebox apply`: one company with its offices, plans, commitments and directory.

Everything that is wrong with a file is said at once, each with its line. The file is only read here; what it
changes is decided by the story that applies the plan. The format is documented in docs/files.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from api.company_models import SECONDS_PER_MINUTE, CompanyFile, Section
from api.company_scalars import code_name, nearest
from api.company_yaml import KeyPath, Plain, Problem, Tree, path_text, read_tree
from domain.errors import InvalidInput
from domain.provisioning import CompanyPlan

MAX_FILE_BYTES = 5_000_000


class InvalidCompanyFile(InvalidInput):
    """The file cannot be applied. The text lists every problem, one a line: `file:line: path: message`."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(f"{file}:{problem.text}" for problem in problems))
        self.problems = problems


def read_company_file(path: Path) -> CompanyPlan:
    """Raises InvalidCompanyFile with all problems, or InvalidInput when there is no such file to read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(f"{path} is larger than {MAX_FILE_BYTES} bytes: keep one company in a file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidCompanyFile(
            str(path), (Problem(line, "", "this is not UTF-8: save the file as UTF-8."),)
        ) from None
    return parse_company_file(text, name=str(path))


def parse_company_file(text: str, *, name: str) -> CompanyPlan:
    """`name` stands before the line in every problem. Raises InvalidCompanyFile."""
    tree = read_tree(text)
    file: CompanyFile | None = None
    if tree.root is None and not tree.problems:
        tree.report((), "the file is empty.")
    elif tree.root is not None:
        file = _validated(tree)
        for path, message in _contradictions(tree.root):
            tree.report(path, message)
    if file is None or tree.problems:
        raise InvalidCompanyFile(name, tuple(sorted(set(tree.problems))))
    return _plan(file)


def _plan(file: CompanyFile) -> CompanyPlan:
    company, directory = file.company, file.directory
    return CompanyPlan(
        slug=company.slug,
        name=company.name,
        currency=company.currency,
        domestic_regions=company.domestic_regions,
        late_usage_hours=company.late_usage_hours,
        spending_alert_rise_percent=company.spending_alerts.rise_percent,
        spending_alert_minimum_micros=company.spending_alerts.minimum,
        decks=company.decks,
        purchase_minimum_micros=company.purchases.minimum,
        purchase_maximum_micros=company.purchases.maximum,
        purchase_daily_micros=company.purchases.per_day,
        purchase_presets=company.purchases.offered,
        invoice_limit_micros=company.invoice_limit,
        hold_grant_seconds=company.holds.grant_minutes * SECONDS_PER_MINUTE,
        offices=tuple(office.plan() for office in file.offices),
        members=tuple(member.plan() for member in directory.members),
        groups=tuple(group.plan() for group in directory.groups),
        contacts=tuple(contact.plan() for contact in directory.contacts),
    )


def _validated(tree: Tree) -> CompanyFile | None:
    try:
        return CompanyFile.model_validate(tree.root)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            tree.report(details["loc"], _message(details))
        return None


def _message(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "missing":
        return "this key is required."
    if kind == "extra_forbidden":
        known = list(_section_at(details["loc"][:-1]).model_fields)
        return f"this key is not known here.{nearest(str(details['loc'][-1]), known)}"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind == "model_type":
        return "write keys with values here."
    if kind == "tuple_type":
        return "write a list here, as in [one, two]."
    if kind == "too_short":
        return "name at least one here."
    return f"{details['msg']}."


def _section_at(path: KeyPath) -> type[Section]:
    section: type[Section] = CompanyFile
    for part in path:
        if isinstance(part, str):
            section = _section_in(section.model_fields[part].annotation) or section
    return section


def _section_in(annotation: Any) -> type[Section] | None:
    """The section an annotation such as `tuple[OfficeSection, ...]` or `TaxSection | None` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and issubclass(annotation, Section):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)


def _contradictions(root: Plain) -> Iterator[tuple[KeyPath, str]]:
    """What no section can see alone: things named twice, and names of things that are not there.

    Looks at the file as written, so that these are found in the same run as everything else.
    """
    offices = list(_entries(root, "offices"))
    groups = list(_entries(root, "directory", "groups"))
    members = list(_entries(root, "directory", "members"))
    contacts = list(_entries(root, "directory", "contacts"))
    yield from _twice(_values(offices, "slug"), "office")
    yield from _twice(_items(offices, "phone_numbers"), "number")
    yield from _twice(_values(groups, "external_id"), "group")
    yield from _twice(_values(members, "external_id"), "member")
    yield from _twice(_values(contacts, "external_id"), "contact")
    yield from _unknown(_values(members + groups, "office"), _values(offices, "slug"), "office")
    yield from _unknown(_items(members, "groups"), _values(groups, "external_id"), "group")
    for path, office in offices:
        allowances = _values(list(_entries(office, "allowances", at=path)), "service")
        commitments = _values(list(_entries(office, "commitments", at=path)), "kind")
        yield from _twice(_codes(allowances), "allowance of")
        yield from _twice(_codes(commitments), "commitment of")


Entry = tuple[KeyPath, dict[str, Plain]]
Named = tuple[KeyPath, str]


def _entries(root: Plain, *keys: str, at: KeyPath = ()) -> Iterator[Entry]:
    for key in keys:
        root = root.get(key) if isinstance(root, dict) else None
    for position, entry in enumerate(root if isinstance(root, list) else []):
        if isinstance(entry, dict):
            yield (*at, *keys, position), entry


def _values(entries: list[Entry], key: str) -> list[Named]:
    found = [((*path, key), entry.get(key)) for path, entry in entries]
    return [(path, value.strip()) for path, value in found if isinstance(value, str)]


def _codes(named: list[Named]) -> list[Named]:
    return [(path, code_name(name)) for path, name in named]


def _items(entries: list[Entry], key: str) -> list[Named]:
    found: list[Named] = []
    for path, entry in entries:
        items = entry.get(key)
        for position, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, str):
                found.append(((*path, key, position), item.strip()))
    return found


def _twice(named: list[Named], what: str) -> Iterator[tuple[KeyPath, str]]:
    first: dict[str, KeyPath] = {}
    for path, name in named:
        if first.setdefault(name, path) != path:
            yield path, f"the {what} {name[:70]!r} stands twice, first at {path_text(first[name])}: keep one."


def _unknown(named: list[Named], known: list[Named], what: str) -> Iterator[tuple[KeyPath, str]]:
    names = {name for _, name in known}
    for path, name in named:
        if name not in names:
            yield (
                path,
                f"there is no {what} {name[:70]!r} in this file.{nearest(name, sorted(names))}",
            )
