"""Reading YAML that somebody else may have written: under limits, aliases counted, each failure named by its line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from vr1repro.core.errors import UserError
from vr1repro.core.limits import limits
from vr1repro.core.outside import text_of

# Scalars that only a mapping around them gives a meaning: `<<` and `=`.
_NO_VALUES = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")


def yaml_document(path: Path) -> tuple[Any, yaml.Node | None]:
    """The values of a YAML file, and its tree of nodes for line numbers.

    Raises:
        UserError: The file is missing, not YAML, names a key twice, or is past a limit; the message names file and
            line.
    """
    return yaml_text(text_of(path), str(path))


def yaml_text(text: str, where: str) -> tuple[Any, yaml.Node | None]:
    """As `yaml_document`, of a text; `where` names it in messages."""
    try:
        _check_events(text, where)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None, None
        _check_nodes(root, where)
        loader = yaml.SafeLoader("")
        try:
            return _constructed(loader, root, where), root
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{where}:{line}: not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(
            f"{where}:{line}: not YAML: the character {chr(error.character)!r} may not stand in it"
        ) from None


def _check_events(text: str, where: str) -> None:
    """Refuse too many levels before the composer, which calls itself once a level."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limits().nesting:
                line = (event.start_mark.line if event.start_mark else 0) + 1
                raise UserError(f"{where}:{line}: nested deeper than {limits().nesting} levels; no config is")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_nodes(root: yaml.Node, where: str) -> None:
    """Count the nodes with every alias written out, and refuse an alias inside what it names, and a key twice."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, inside: frozenset[int], key: str) -> int:
        line = node.start_mark.line + 1
        if id(node) in inside:
            raise UserError(f"{where}:{line}: {key}: an alias stands inside what it names; write the value out")
        if id(node) in sizes:
            return sizes[id(node)]
        below = inside | {id(node)}
        total = 1
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for name, value in node.value:
                inner = f"{key}.{name.value}" if key else str(name.value)
                if isinstance(name, yaml.ScalarNode):
                    if name.value in seen:
                        place = name.start_mark.line + 1
                        raise UserError(f"{where}:{place}: {inner}: the key stands twice; keep one")
                    seen.add(name.value)
                total += size(name, below, inner) + size(value, below, inner)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                total += size(value, below, f"{key}[{number}]")
        if total > limits().aliases:
            raise UserError(
                f"{where}:{line}: {key}: more than {limits().aliases} values once aliases are written out; no config is"
                " as large"
            )
        sizes[id(node)] = total
        return total

    size(root, frozenset(), "")


def _constructed(loader: yaml.SafeLoader, root: yaml.Node, where: str) -> Any:
    """The values of a tree. A scalar that looks like a date or a number and is none is named by its line."""
    for node in _scalars(root):
        if node.tag == "tag:yaml.org,2002:int" and len(node.value) > limits().digits:
            raise UserError(
                f"{where}:{node.start_mark.line + 1}: an integer of {len(node.value)} digits, the limit is"
                f" {limits().digits}"
            )
        if node.tag in _NO_VALUES:
            continue
        try:
            loader.construct_object(node)
        except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:  # PyYAML's, by the tag
            raise UserError(
                f"{where}:{node.start_mark.line + 1}: {node.value[:40]!r} cannot be read ({error}); quote it, if it is"
                " a text"
            ) from None
    return loader.construct_document(root)


def _scalars(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
