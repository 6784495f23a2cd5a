"""Solutions are the source: make lessons/ from solutions/, or run the solutions in place.

    python -m utils.make_lessons              write lessons/ and the table of wrong answers in the guide
    python -m utils.make_lessons --check      write nothing; exit 1 and say what, if anything has drifted
    python -m utils.make_lessons --execute 01 run solutions/01_*.ipynb in place (all of them without a number)

A lesson is its solution without outputs, without cells tagged `instructor`, and with each block between
`### BEGIN SOLUTION` and `### END SOLUTION` (nbgrader's markers) replaced by a stub: `return ...` in a
function, `name = ...` for each name that the block assigns. Cell ids and metadata are kept, so the same
solution gives the same bytes each time. A lesson that somebody has edited is moved aside, never overwritten.
"""
import argparse
import ast
import hashlib
import re
import sys
import textwrap
from pathlib import Path

import nbformat

from . import exercises

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SURVIVES = 20  # characters from which a line of a solution must not stand anywhere in the lesson


class SourceError(ValueError):
    """A solution from which no lesson can be made; the message says which cell and what is missing."""


def stub(block):
    """The lines that stand in for the lines of a solution block, with the indentation of its first line."""
    text = textwrap.dedent("\n".join(block))
    margin = re.match(r" *", block[0])[0] if block else ""
    try:
        tree = ast.parse("def block():\n" + textwrap.indent(text, " "))
    except SyntaxError as err:
        raise SourceError(f"the solution block is not whole statements: {err.msg}") from None
    body = tree.body[0].body
    if any(isinstance(node, ast.Return) for statement in body for node in _own_nodes(statement)):
        return [margin + "return ..."]
    names = [target.id for statement in body if isinstance(statement, ast.Assign)
             for target in statement.targets if isinstance(target, ast.Name)]
    if not names:
        raise SourceError("no stub can be made of the solution block: it neither returns nor assigns a name")
    return [f"{margin}{name} = ..." for name in dict.fromkeys(names)]


def _own_nodes(statement):
    """The nodes of a statement without those of functions defined in it: their returns are not its own."""
    yield statement
    if not isinstance(statement, (ast.FunctionDef, ast.Lambda)):
        for child in ast.iter_child_nodes(statement):
            yield from _own_nodes(child)


def strip(source):
    """A cell's source as the lesson has it, and the lines of its solution blocks."""
    lesson, solution, block = [], [], None
    for line in source.split("\n"):
        if line.strip() == BEGIN and block is None:
            block = []
        elif line.strip() == END and block is not None:
            if not any(line.strip() for line in block):
                raise SourceError("the solution block is empty")
            lesson += stub(block)
            solution += block
            block = None
        elif "BEGIN SOLUTION" in line or "END SOLUTION" in line:
            raise SourceError(f"unbalanced markers at {line.strip()!r}")
        else:
            (lesson if block is None else block).append(line)
    if block is not None:
        raise SourceError(f"unbalanced markers: {BEGIN} without {END}")
    return "\n".join(lesson), solution


def make(solution):
    """The lesson (a new NotebookNode) of a solution notebook. Raises SourceError, naming the cell."""
    lesson = nbformat.from_dict({**solution, "cells": []})
    secrets, checked, stubbed = [], set(), set()
    for number, source_cell in enumerate(solution.cells):
        tags = source_cell.metadata.get("tags", [])
        if "instructor" in tags:
            secrets += source_cell.source.split("\n")
            continue
        cell = nbformat.from_dict(dict(source_cell))
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            try:
                cell.source, hidden = strip(cell.source)
            except SourceError as err:
                raise SourceError(f"cell {number}: {err}") from None
            secrets += hidden
            ids = set(re.findall(r'check\("([EL][\w.]+)"', cell.source))
            checked |= ids
            stubbed |= ids if hidden else set()
        elif "SOLUTION" in cell.source:
            raise SourceError(f"cell {number}: solution markers belong in code cells; tag text as `instructor`")
        lesson.cells.append(cell)
    if checked - stubbed:
        raise SourceError(f"no solution block in the cell that checks {', '.join(sorted(checked - stubbed))}")
    lines = {line.strip() for cell in lesson.cells for line in cell.source.split("\n")}
    for secret in (line.strip() for line in secrets):
        if len(secret) >= SURVIVES and not secret.startswith(("#", '"""')) and secret in lines:
            raise SourceError(f"a line of the solution survives in the lesson: {secret!r}")
    lesson.metadata["course"] = {"sources": _digest(lesson)}
    return lesson


def _digest(notebook):
    return hashlib.sha256("\0".join(cell.source for cell in notebook.cells).encode()).hexdigest()[:16]


def is_edited(path):
    """Whether a lesson on disk has other sources than those that this program gave it."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception:  # not a notebook any more: somebody's work all the same
        return True
    return notebook.metadata.get("course", {}).get("sources") != _digest(notebook)


def aside(path):
    """A free name beside `path` for an edited lesson: 01_x.yours.ipynb, 01_x.yours2.ipynb, ..."""
    names = (path.with_suffix(f".yours{k if k > 1 else ''}.ipynb") for k in range(1, 1000))
    return next(name for name in names if not name.exists())


def to_text(notebook):
    return nbformat.writes(notebook) + "\n"


def targets(root):
    """What this program writes: {path: text}, for all of solutions/ and the guide's table."""
    texts = {}
    for source in sorted((root / "solutions").glob("*.ipynb")):
        try:
            texts[root / "lessons" / source.name] = to_text(make(nbformat.read(source, as_version=4)))
        except SourceError as err:
            raise SourceError(f"solutions/{source.name}, {err}") from None
    guide = root / "solutions" / "README.md"
    if guide.exists():
        texts[guide] = with_wrong_answers(guide.read_text(encoding="utf-8"))
    return texts


def with_wrong_answers(guide):
    """The instructor's guide with its table of wrong answers made anew from the exercises."""
    head, mark, _ = guide.partition("<!-- made by utils.make_lessons from utils/exercises -->\n")
    if not mark:
        raise SourceError("solutions/README.md has no line '<!-- made by utils.make_lessons from utils/exercises -->'")
    lines = []
    for lesson in exercises.lessons():
        for exercise in exercises.exercises(lesson):
            lines += ["", f"### {exercise.id} ({exercise.kind}, {exercise.minutes} min): {_cell(exercise.asks)}", ""]
            lines += [f"- {_cell(mistake.says)}" for mistake in exercise.mistakes]
            lines += [f"- Right, with a remark: {_cell(remark.says)}" for remark in exercise.remarks]
    return head + mark + "\n".join(lines) + "\n"


def _cell(text):
    return text.replace("|", r"\|").replace("*", r"\*")


def drift(root):
    """What is not as `targets` would write it: a list of sentences, empty if all is well."""
    texts = targets(root)
    found = [f"{path.relative_to(root)} {'has drifted from its source' if path.exists() else 'is missing'}"
             for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    strays = [path for path in sorted((root / "lessons").glob("*.ipynb"))
              if path not in texts and ".yours" not in path.name]
    return found + [f"{path.relative_to(root)} has no solution" for path in strays]


def write(root):
    """Write what has drifted; move edited lessons aside first. Returns the lines to print."""
    said = []
    for path, text in targets(root).items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if path.suffix == ".ipynb" and path.exists() and is_edited(path):
            kept = aside(path)
            path.rename(kept)
            said.append(f"{path.name} had edits: kept as {kept.name}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        said.append(f"wrote {path.relative_to(root)}")
    return said


def execute(path):
    """Run a notebook in place from top to bottom; two runs in one environment give the same bytes."""
    from nbclient import NotebookClient
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False,
                            coalesce_streams=True, resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    path.write_text(to_text(notebook), encoding="utf-8", newline="\n")


def main(argv=None, root=ROOT):
    parser = argparse.ArgumentParser(prog="python -m utils.make_lessons", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything has drifted")
    parser.add_argument("--execute", nargs="*", metavar="NUMBER", help="run these solutions in place (or all)")
    args = parser.parse_args(argv)
    try:
        if args.execute is not None:
            for number in args.execute or [""]:
                for path in sorted((root / "solutions").glob(f"{number}*.ipynb")):
                    print(f"running {path.relative_to(root)}", flush=True)
                    execute(path)
        said = drift(root) if args.check else write(root)
    except SourceError as err:
        print(err, file=sys.stderr)
        return 1
    print("\n".join(said) or "lessons/ is what solutions/ make it")
    return int(bool(args.check and said))


if __name__ == "__main__":
    sys.exit(main())
