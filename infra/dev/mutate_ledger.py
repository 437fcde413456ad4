"""Does a test notice when the ledger or the completion map is wrong? One small change at a time, in a copy.

Flips comparisons, moves integer constants by one, turns `and` into `or`, negates conditions, drops returned values.
Each mutant is run against the fast tests of both modules; one that they all accept survives.

    infra/dev/mutate_ledger.py [--only comparison] [--jobs 2] [consumer/kafka/ledger.py …]

Exit status 1 when a mutant survives that is not listed under EQUIVALENT with the reason.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = {
    "consumer/kafka/ledger.py": ("test_ledger.py", "test_completion_map.py"),
    "consumer/kafka/completion_map.py": ("test_completion_map.py",),
    "consumer/kafka/assignment.py": ("test_assignment.py",),
}
"""Each module, and the fast tests that have to notice."""
TIMEOUT_SECONDS = 60
"""A mutant that loops for ever is noticed as well."""
FLIPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
NEVER_FINISHED = "the lowest unfinished offset is never among the finished ones"
SET_BY_ACTIVATION = "activation sets it before anything reads it"
EQUIVALENT = {
    ("other > low", "other >= low"): NEVER_FINISHED,
    ("offset > low", "offset >= low"): NEVER_FINISHED,
    (":40", ":41"): "how much of it an error message shows",
    ("itertools.count(1)", "itertools.count(2)"): "epochs are compared, and shown in logs",
    ("PartitionLedger(0)", "PartitionLedger(1)"): SET_BY_ACTIVATION,
    ("self.committed = 0", "self.committed = 1"): SET_BY_ACTIVATION,
    ("self._suspects = 0", "self._suspects = 1"): SET_BY_ACTIVATION,
    (
        "not self.items and (not self._handed_over)",
        "not self.items or not self._handed_over",
    ): "whoever is woken looks again",
}
"""What is written, and as what mutated → why nobody can tell the difference."""


@dataclass(frozen=True)
class Mutant:
    """One changed module."""

    module: str
    line: int
    kind: str
    before: str
    after: str
    source: str

    @property
    def reason_to_survive(self) -> str | None:
        """Why the tests cannot notice it, if there is a reason."""
        return EQUIVALENT.get((self.before, self.after))


def mutants(module: str, kinds: frozenset[str]) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its lines."""
    tree = ast.parse((ROOT / module).read_text())
    nodes = list(ast.walk(tree))
    number = {node: index for index, node in enumerate(nodes)}
    parents = {
        number[child]: number[node]
        for node in nodes
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.Constant)
    }
    for index, node in enumerate(nodes):
        for kind, replacement in _changes(node):
            if kind in kinds:
                changed = deepcopy(tree)
                place = next(other for at, other in enumerate(ast.walk(changed)) if at == index)
                # a bare number says nothing: it is shown with the expression or statement around it
                around = next(other for at, other in enumerate(ast.walk(changed)) if at == parents.get(index, index))
                before = ast.unparse(around)
                for name, value in replacement.items():
                    setattr(place, name, value)
                yield Mutant(module, _line(node), kind, before, ast.unparse(around), ast.unparse(changed))


def _line(node: ast.AST) -> int:
    return node.lineno if isinstance(node, ast.expr | ast.stmt) else 0


def _changes(node: ast.AST) -> Iterator[tuple[str, dict[str, object]]]:
    match node:
        case ast.Compare(ops=ops):
            for place, operator in enumerate(ops):
                flipped = [*ops]
                flipped[place] = FLIPS[type(operator)]()
                yield "comparison", {"ops": flipped}
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            yield "constant", {"value": value + 1}
        case ast.BoolOp(op=operator):
            yield "logic", {"op": ast.And() if isinstance(operator, ast.Or) else ast.Or()}
        case ast.UnaryOp(op=ast.Not()):
            yield "logic", {"op": ast.UAdd()}
        case ast.If(test=test):
            yield "condition", {"test": ast.UnaryOp(ast.Not(), test)}
        case ast.Return(value=ast.Constant(value=bool(value))):
            yield "return", {"value": ast.Constant(not value)}
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return", {"value": ast.Constant(None)}


def survives(mutant: Mutant) -> bool:
    """Whether the tests accept it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in ("consumer", "schemas", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "pictures", "data"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        (copy / mutant.module).write_text(mutant.source)
        tests = [f"tests/unit/kafka/{name}" for name in TESTS[mutant.module]]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--noconftest"]
        command += ["--hypothesis-profile=ci", *tests]  # the same examples every time
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            run = subprocess.run(
                command, cwd=copy, env=environment, timeout=TIMEOUT_SECONDS, capture_output=True, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        if run.returncode not in (0, 1):
            raise RuntimeError(
                f"{mutant.module}:{mutant.line}: the tests could not run:\n{run.stdout.decode()[-2000:]}"
            )
        return run.returncode == 0


def main() -> int:
    """Prints one line a survivor, and how many there were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", choices=[*TESTS, []], help="all without it")
    kinds = ("comparison", "constant", "logic", "condition", "return")
    parser.add_argument("--only", action="append", choices=kinds, help="kinds of change; all without it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants tested at once")
    arguments = parser.parse_args()
    todo = [m for module in arguments.modules or TESTS for m in mutants(module, frozenset(arguments.only or kinds))]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        survivors = [m for m, survived in zip(todo, pool.map(survives, todo), strict=True) if survived]
    unexplained = [m for m in survivors if m.reason_to_survive is None]
    for mutant in survivors:
        reason = mutant.reason_to_survive or "SURVIVES"
        print(f"{mutant.module}:{mutant.line} [{mutant.kind}] {mutant.before} -> {mutant.after}: {reason}")
    print(f"{len(todo)} mutants, {len(todo) - len(survivors)} noticed, {len(survivors) - len(unexplained)} equivalent")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
