"""The checks of notebooks are checked: each fault planted in a sound little notebook turns the run red."""
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from notebook_faults import faults, over_budget
from tolerance import agree

from utils import make_lessons

ROOT = Path(__file__).resolve().parent.parent
CELLS = [
    ("markdown", "# A tiny lesson"),
    ("code", f"import sys; sys.path[:0] = [{str(ROOT)!r}]\nfrom utils import check, show"),
    ("code", "import matplotlib.pyplot as plt\nprint(f'the root of two is {2**0.5:.4f}, near 1, from 3 steps')"),
    ("code", "### BEGIN SOLUTION\nline = (5, -3)\n### END SOLUTION\ncheck(\"E01.1\", line)"),
    ("code", "fig, ax = plt.subplots()\nax.plot([0, 1], [0, 2])\nshow(fig, f'The line rises by {2:.1f} in one step.')"),
]


@pytest.fixture(scope="module")
def sound():
    nb = nbformat.v4.new_notebook()
    for number, (kind, source) in enumerate(CELLS):
        make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        nb.cells.append(make(source, id=f"cell-{number}"))
    NotebookClient(nb, kernel_name="python3", record_timing=False, coalesce_streams=True).execute()
    return nbformat.writes(nb)


@pytest.fixture
def nb(sound):
    return nbformat.reads(sound, as_version=4)


def nbval(nb, folder):
    """Run nbval with the repository's own options on a notebook; whether it passed, and what it printed."""
    path = folder / "tiny.ipynb"
    nbformat.write(nb, path)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / ".pytest.ini"), "--rootdir", str(folder), str(path),
               "-p", "no:cacheprovider", "--color=no"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return run.returncode == 0, run.stdout + run.stderr


def test_the_sound_notebook_passes(nb, tmp_path):
    passed, said = nbval(nb, tmp_path)
    assert passed, said
    assert faults(nb) == []
    assert make_lessons.make(nb).cells[3].source == 'line = ...\ncheck("E01.1", line)'


def change_stdout(cell, old, new):
    output = next(out for out in nb_outputs(cell) if out.get("name") == "stdout")
    assert old in output.text
    output.text = output.text.replace(old, new)


def nb_outputs(cell):
    return cell.get("outputs", [])


OUTPUT_FAULTS = {
    "a number off by 1e-3": lambda nb: change_stdout(nb.cells[2], "1.4142", "1.4152"),
    "a changed word": lambda nb: change_stdout(nb.cells[2], "root", "rood"),
    "an integer off by one": lambda nb: change_stdout(nb.cells[2], "3 steps", "4 steps"),
    "a wrong solution": lambda nb: nb.cells[3].update(source=nb.cells[3].source.replace("-3", "3")),
    "an output that is gone": lambda nb: nb.cells[2].update(outputs=[]),
    "an output too many": lambda nb: nb.cells[1].outputs.append(nbformat.v4.new_output("stream", text="x")),
    "a warning": lambda nb: nb.cells[2].update(source=nb.cells[2].source + "\nimport warnings; warnings.warn('w')"),
    "an error": lambda nb: nb.cells[2].update(source="1 / 0"),
    "another sentence under a figure": lambda nb: nb.cells[4].update(
        source=nb.cells[4].source.replace("rises", "falls")),
}


@pytest.mark.parametrize("fault", OUTPUT_FAULTS)
def test_nbval_catches(fault, nb, tmp_path):
    OUTPUT_FAULTS[fault](nb)
    passed, said = nbval(nb, tmp_path)
    assert not passed, said


def pictures(cell):
    return [out for out in cell.outputs if "image/png" in out.get("data", {})]


STATIC_FAULTS = {
    "a cleared cell": (lambda nb: nb.cells[2].update(outputs=[], execution_count=None), "execution counts"),
    "a removed PNG": (lambda nb: pictures(nb.cells[4])[0].data.pop("image/png"), "0 pictures stored"),
    "a figure without its sentence": (lambda nb: pictures(nb.cells[4])[0].metadata.clear(), "without its sentence"),
    "a sentence that is not under its figure": (
        lambda nb: nb.cells[4].update(outputs=pictures(nb.cells[4])), "without its sentence"),
    "a figure past show": (
        lambda nb: nb.cells[4].update(source="plt.plot([1]); plt.show()"), "does not go through show"),
    "an ignored output": (lambda nb: nb.cells[2].update(source="# NBVAL_IGNORE_OUTPUT\n1"), "from being compared"),
    "an ignoring tag": (lambda nb: nb.cells[2].metadata.update(tags=["raises-exception"]), "from being compared"),
    "a stored warning": (lambda nb: nb.cells[2].outputs.append(
        nbformat.v4.new_output("stream", name="stderr", text="careful")), "stderr"),
    "a stored error": (lambda nb: nb.cells[2].outputs.append(
        nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])), "an error is stored"),
    "a heading too deep": (lambda nb: nb.cells[0].update(source="# A\n\n### B"), "heading of level 3"),
    "no title": (lambda nb: nb.cells[0].update(source="## A"), "one title"),
    "a repeated id": (lambda nb: nb.cells[2].update(id="cell-1"), "ids"),
}


@pytest.mark.parametrize("fault", STATIC_FAULTS)
def test_faults_lists(fault, nb):
    plant, expected = STATIC_FAULTS[fault]
    plant(nb)
    assert any(expected in found for found in faults(nb)), faults(nb)


def test_budgets_are_counted(nb):
    nb.cells[0].source += " word" * 2200 + " $formula \\not counted$"
    nb.cells[1].source += "\nx = 1" * 15 + " " * 130
    nb.cells += [nbformat.v4.new_code_cell("show(fig, 'x')") for _ in range(41)]
    assert over_budget(nb) == ["2204 words, at most 2200", "46 cells, at most 45", "42 figures, at most 6",
                               "17 lines in a code cell, at most 15", "135 characters in a line of code, at most 132"]


@pytest.mark.parametrize("stored, fresh, same", [
    ("rmse 52.6871", "rmse 52.6871", True), ("rmse 52.687", "rmse 52.688", False), ("x 0.5177", "x 0.5187", False),
    ("1.2345678", "1.2345679", True), ("0.52469", "0.52470", False), ("3 steps", "4 steps", False),
    ("residual 3.1e-16", "residual 8.8e-16", True), ("k = 3", "k = 3.0", False), ("[ 1. -0.]", "[ 1.  0.]", True),
    ("123456.7", "123456.8", True), ("123456.7", "123456.9", False), ("nan", "1.0", False), ("1e-3", "1.001e-3", False),
    ("a  b", "a b", True), ("a b", "a c", False), ("True", "False", False), ("-1.50", "1.50", False)])
def test_tolerance(stored, fresh, same):
    assert agree(stored, fresh) is same
    assert agree(fresh, stored) is same


def test_the_plugin_patches_what_nbval_compares():
    from nbval.plugin import IPyNbCell
    assert getattr(IPyNbCell.sanitize, "tolerant", False)
    import inspect
    source = inspect.getsource(IPyNbCell.compare_outputs)
    assert len(re.findall(r"self\.sanitize\(", source)) == 4 and "if ref_out != test_out" in source
