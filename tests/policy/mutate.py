"""Change the evaluators at random, and name what no test notices: `python -m tests.policy.mutate [SECONDS] [SEED]`.

Changes are those of the usual tools (a comparison, a sign, a condition, a constant, a result), and, because half of the
evaluator is SQL, words of the SQL that it writes. Each runs in a process of its own; no file is changed.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import hypothesis
import pydantic
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

_PRELOADED = (duckdb, hypothesis, pydantic)  # once, before the processes part
ROOT = Path(__file__).parents[2]
PYTHON = ("bounds", "judge", "logic", "reference", "reference_budget", "waive", "window")
SQL = ("budget_sql", "compile", "sql")
FIRST = "tests/policy/test_policy_two_evaluators.py::test_random_policies_and_waivers_are_judged_alike"
TESTS = (
    FIRST,
    "tests/policy/test_policy_meaning.py",
    "tests/policy/test_policy_waivers.py",
    "tests/policy/test_policy_language.py",
    "tests/policy/test_policy_forecast.py",
)
LONGEST_S = 120
_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_WORDS = [
    *(("IS NOT NULL", "IS NULL"), ("IS NULL", "IS NOT NULL"), (" AND ", " OR "), (" OR ", " AND "), ("NOT ", "")),
    *((" > ", " >= "), (" >= ", " > "), (" < ", " <= "), (" = ", " <> "), (" <> ", " = "), ("IS DISTINCT FROM", "=")),
    *((f"'{word}'", "'pass'") for word in ("fail", "unknown", "at_risk", "error", "warn")),
    *(("TRUE", "FALSE"), ("FALSE", "TRUE"), ("BETWEEN", "NOT BETWEEN"), ("isfinite", "isinf"), ("sum(", "max(")),
    *(("ANTI JOIN", "SEMI JOIN"), ("SEMI JOIN", "ANTI JOIN"), ("coalesce(sum(", "nullif(sum("), ("* {", "/ {")),
    ("ORDER BY run_id", "ORDER BY 1"),
]


class Change(ast.NodeTransformer):
    """Apply the n-th possible change; counts them all where n is None."""

    def __init__(self, number: int | None, *, is_sql: bool) -> None:
        """Begin before the first."""
        self.number, self.seen, self.said, self.is_sql = number, 0, "", is_sql

    def may(self, node: ast.AST, said: str) -> bool:
        """Tell whether this is the change to make."""
        here = self.seen == self.number
        self.seen += 1
        if here:
            self.said = f"line {getattr(node, 'lineno', 0)}: {said}"
        return here

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Swap a comparison."""
        self.generic_visit(node)
        for place, operator in enumerate(node.ops):
            if self.may(node, f"{type(operator).__name__} swapped in {ast.unparse(node)}"):
                node.ops[place] = _SWAPS[type(operator)]()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Make an `or` of an `and`."""
        self.generic_visit(node)
        if self.may(node, f"and/or swapped in {ast.unparse(node)}"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """Leave a `not` out."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and self.may(node, f"not left out of {ast.unparse(node)}"):
            return node.operand
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Swap a sign."""
        self.generic_visit(node)
        if type(node.op) in _SIGNS and not _is_text(node) and self.may(node, f"sign swapped in {ast.unparse(node)}"):
            node.op = _SIGNS[type(node.op)]()
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """Take a branch never."""
        self.generic_visit(node)
        if self.may(node, f"branch never taken: {ast.unparse(node.test)}"):
            node.test = ast.Constant(value=False)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """Swap the results of a condition."""
        self.generic_visit(node)
        if self.may(node, f"results swapped of {ast.unparse(node.test)}"):
            node.body, node.orelse = node.orelse, node.body
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """Give nothing back."""
        self.generic_visit(node)
        if node.value is not None and self.may(node, f"nothing instead of {ast.unparse(node.value)[:60]}"):
            node.value = ast.Constant(value=None)
        return node

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        """End a loop where it should go on."""
        return ast.Break() if self.may(node, "break instead of continue") else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Change a number, a truth or a word of SQL."""
        if isinstance(node.value, bool):
            if self.may(node, f"{node.value} turned round"):
                return ast.Constant(value=not node.value)
        elif isinstance(node.value, int) and self.may(node, f"{node.value} + 1"):
            return ast.Constant(value=node.value + 1)
        elif isinstance(node.value, str) and self.is_sql:
            for word, other in _WORDS:
                for match in re.finditer(re.escape(word), node.value):
                    text = node.value[: match.start()] + other + node.value[match.end() :]
                    if self.may(
                        node, f"{word!r} to {other!r} in {node.value[max(0, match.start() - 30) : match.end() + 30]!r}"
                    ):
                        return ast.Constant(value=text)
        return node


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _tree(name: str) -> ast.Module:
    """Parse a module without its annotations and docstrings, which no change should touch."""
    tree = ast.parse((ROOT / "green" / "policy" / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in [*node.args.args, *node.args.kwonlyargs]:
                argument.annotation = None
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    tree.body = tree.body[1:]  # each module begins with a docstring
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    if name == "judge":  # the parts that judge; the rest counts and words
        kept = {"conclude", "worded", "_nothing", "_code", "exit_code", "moment_of", "_verdict"}
        _PROTECTED["judge"] = [
            node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name in kept)
        ]
    return tree


_PROTECTED: dict[str, list[ast.stmt]] = {}


def mutants() -> list[tuple[str, int]]:
    """List every possible change: module and number."""
    found = []
    for name in (*PYTHON, *SQL):
        change = Change(None, is_sql=name in SQL)
        _visit(change, name, _tree(name))
        found += [(name, number) for number in range(change.seen)]
    return found


def _visit(change: Change, name: str, tree: ast.Module) -> ast.Module:
    protected = _PROTECTED.get(name, [])
    tree.body = [node if node in protected else change.visit(node) for node in tree.body]
    return ast.fix_missing_locations(tree)


class Loader(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Import one module changed."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        """Keep the module and its changed text."""
        self.name, self.tree = f"green.policy.{name}", tree

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Take the import of the module."""
        del path, target
        return importlib.machinery.ModuleSpec(name, self) if name == self.name else None

    def get_source(self, fullname: str) -> str:
        """Return the changed text."""
        del fullname
        return ast.unparse(self.tree)


def noticed(name: str, number: int) -> tuple[bool, str]:
    """Run the tests with a change, in a process of its own; tell whether one fails, and what was changed."""
    change = Change(number, is_sql=name in SQL)
    tree = _visit(change, name, copy.deepcopy(_tree(name)))
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        sys.meta_path.insert(0, Loader(name, tree))
        os._exit(
            int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", *(str(ROOT / one) for one in TESTS)]))
        )
    began = time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0, f"{name}.py, {change.said}"
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True, f"{name}.py, {change.said} (took too long)"


def run(seconds: float, seed: int) -> Iterator[str]:
    """Try changes in a random order for so long, and give what to print."""
    if noticed(PYTHON[0], -1)[0]:
        raise SystemExit("the tests fail without any change: nothing can be counted")
    every = mutants()
    drawn = random.Random(seed).sample(every, len(every))  # noqa: S311 -- a sample, not a secret
    tried = killed = 0
    began = time.monotonic()
    for name, number in drawn:
        if time.monotonic() - began > seconds:
            break
        was_noticed, said = noticed(name, number)
        tried += 1
        killed += was_noticed
        if not was_noticed:
            yield f"not noticed: {said}"
        if tried % 25 == 0:
            yield f"{killed} of {tried} so far"
    yield f"{killed} of {tried} changes were noticed ({killed / max(tried, 1):.1%}); {len(every)} are possible"


if __name__ == "__main__":
    os.chdir(ROOT)
    given = [float(text) for text in sys.argv[1:]]
    for line in run(given[0] if given else 1200, int(given[1]) if len(given) > 1 else 1):
        print(line, flush=True)  # noqa: T201 -- a command for people
