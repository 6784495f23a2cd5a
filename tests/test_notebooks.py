"""Solutions are sound beyond their outputs (which nbval compares), and lessons are what the solutions make them."""
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from notebook_faults import faults, over_budget
from tolerance import Printed

from utils import exercises, make_lessons

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
LESSONS = [ROOT / "lessons" / path.name for path in SOLUTIONS]
by_name = dict(ids=lambda path: path.stem)


def printed(cells):
    return "".join(out.text for cell in cells for out in cell.get("outputs", []) if out.get("name") == "stdout")


def prose(nb):
    return "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_solution_has_no_fault(path):
    assert faults(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_lesson_is_within_its_budget(path):
    assert over_budget(make_lessons.make(nbformat.read(path, as_version=4))) == []


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_solution_answers_each_exercise_of_its_lesson_and_all_are_right(path):
    nb = nbformat.read(path, as_version=4)
    lesson = exercises.exercises(path.stem[:2] if path.stem[0].isdigit() else path.stem[4])
    code = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")
    assert re.findall(r'^check\("([EL][\w.]+)"', code, re.M) == [exercise.id for exercise in lesson]
    assert re.findall(r"^([EL][\w.]+): Right\.", printed(nb.cells), re.M) == [exercise.id for exercise in lesson]


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_prose_has_the_parts_of_the_template_and_links_that_lead_somewhere(path):
    text = prose(nbformat.read(path, as_version=4))
    for part in ("Guiding question.", "After this lesson you can", "Time.", "Before it.", "## What can go wrong",
                 "## Summary"):
        assert part in text, part
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (ROOT / "lessons" / target).exists(), target


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_spelling_of_names_and_american_english(path):
    """Method names as on the notation sheet; one spelling."""
    text = prose(nbformat.read(path, as_version=4))
    wrong = (r"[Pp]seudoinverse|[Rr]egularis|[Mm]inimis|[Oo]ptimis|[Ll]inearis|[Nn]ormalis|[Gg]eneralis|[Rr]ecognis|"
             r"[Cc]olour|[Bb]ehaviour|[Nn]eighbour|Newton-Raphson|heavy-ball method|conjugate gradient method")
    assert re.findall(wrong, text) == []


def test_lessons_have_not_drifted_from_solutions():
    assert make_lessons.drift(ROOT) == []


@pytest.mark.parametrize("path", LESSONS, **by_name)
def test_untouched_lesson_runs_to_its_end_with_nothing_attempted(path, tmp_path):
    """Run All on a lesson nobody has touched: no error, no warning, each check "not attempted", nothing written."""
    before = sorted(path.parent.iterdir())
    nb = nbformat.read(path, as_version=4)
    NotebookClient(nb, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [out for cell in nb.cells for out in cell.get("outputs", [])]
    assert [out for out in outputs if out.get("name") == "stderr"] == []
    said = printed(nb.cells)
    lesson = exercises.exercises(path.stem[:2] if path.stem[0].isdigit() else path.stem[4])
    assert re.findall(r"^([EL][\w.]+): (.*)$", said, re.M) == [(e.id, "Not attempted yet.") for e in lesson]
    assert re.findall(r"^([EL][\w.]+)  not attempted ", said, re.M) == [e.id for e in lesson]
    assert sorted(path.parent.iterdir()) == before


def test_top_level_is_the_promised_one():
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible == {"README.md", "requirements.txt", "lessons", "solutions", "tests", "utils"}


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_answers_given_late_print_what_early_ones_print(path):
    """Run All first, then the answers and the cells that wait for them, in order, in the same kernel."""
    solution, lesson = (nbformat.read(folder / path.name, as_version=4) for folder in (path.parent, ROOT / "lessons"))
    late = [cell for cell in solution.cells if cell.cell_type == "code"
            and re.search(r"BEGIN SOLUTION|\bif answered\(", cell.source)]
    first = len(lesson.cells)
    lesson.cells += [nbformat.v4.new_code_cell(cell.source) for cell in late]
    NotebookClient(lesson, timeout=120, kernel_name="python3",
                   resources={"metadata": {"path": str(ROOT / "solutions")}}).execute()
    for early, cell in zip(late, lesson.cells[first:]):
        assert Printed(printed([cell])) == printed([early])
