"""A YAML file as plain text values, each with the line it stands on.

Nothing is guessed from how a value looks: `NO` stays Norway and is not false, 100.50 stays 100.50 and is no
float, +14155550100 keeps its plus. What the value means is decided by whoever asked for it. Duplicate keys,
aliases and nesting without end are refused here.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

MAX_DEPTH = 12

KeyPath = tuple[str | int, ...]
Plain = dict[str, "Plain"] | list["Plain"] | str | None


class Problem(NamedTuple):
    """One thing to correct."""

    line: int
    path: str
    message: str

    @property
    def text(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.line}: {place}{self.message}"


@dataclass(slots=True)
class Tree:
    """The values of a file, the line of every path in them, and what was wrong with the notation itself."""

    root: Plain = None
    lines: dict[KeyPath, int] = field(default_factory=lambda: {(): 1})
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: KeyPath, message: str) -> None:
        """The line is that of the path, or of the nearest thing around it that the file does contain."""
        known = path
        while known not in self.lines:
            known = known[:-1]
        self.problems.append(Problem(self.lines[known], path_text(path), message))


def path_text(path: KeyPath) -> str:
    """("offices", 0, "slug") is `offices[0].slug`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def read_tree(text: str) -> Tree:
    """Never raises for what is in the text: whatever is wrong with it is in `problems`."""
    tree = Tree()
    try:
        node = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        tree.problems.append(Problem(mark.line + 1 if mark else 1, "", f"not YAML: {error.problem}."))
        return tree
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        tree.problems.append(Problem(line, "", "this line has a control character: remove it."))
        return tree
    if node is not None:
        tree.root = _plain(node, (), tree)
    return tree


class _Composer(yaml.SafeLoader):
    """Composes nodes only. An alias could make a small file endless, deep nesting could exhaust the stack."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise self._refusal("aliases (*name) are not used here, write the value out")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._refusal(f"nested deeper than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _refusal(self, problem: str) -> yaml.MarkedYAMLError:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave this one out
        return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _plain(node: yaml.Node, path: KeyPath, tree: Tree) -> Plain:
    tree.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, tree)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, position), tree) for position, item in enumerate(node.value)]
    return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)


def _mapping(node: yaml.MappingNode, path: KeyPath, tree: Tree) -> dict[str, Plain]:
    values: dict[str, Plain] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            tree.problems.append(Problem(line, path_text(path), "a key must be a word."))
            continue
        key = str(key_node.value)
        if key in values:
            first = tree.lines[*path, key]
            tree.problems.append(
                Problem(line, path_text((*path, key)), f"this key stands twice, first on line {first}.")
            )
            continue
        tree.lines[*path, key] = line
        values[key] = _plain(value_node, (*path, key), tree)
    return values
