"""The maker of lessons: what it takes out, what it refuses, and that nobody's work is overwritten."""
import shutil
from pathlib import Path

import nbformat
import pytest

from utils import make_lessons
from utils.make_lessons import SourceError, make, stub

ROOT = Path(__file__).resolve().parent.parent


def notebook(*sources, tags=()):
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_markdown_cell("# Title", id="title")]
    nb.cells += [nbformat.v4.new_code_cell(source, id=f"c{k}", execution_count=k) for k, source in enumerate(sources)]
    nb.cells += [nbformat.v4.new_markdown_cell(f"a note to {tag}", id=tag, metadata={"tags": [tag]}) for tag in tags]
    return nb


def solution(*lines, before="", after=""):
    return "\n".join(filter(None, [before, make_lessons.BEGIN, *lines, make_lessons.END, after]))


@pytest.mark.parametrize("block, expected", [
    (["    return 1"], ["    return ..."]),
    (["    if x:", "        return 1", "    return 2"], ["    return ..."]),
    (["a = 1", "b = a"], ["a = ...", "b = ..."]),
    (["    beta = 2"], ["    beta = ..."]),
    (["    def inner(x):", "        return x", "    y = inner(1)"], ["    y = ..."]),
    (["text = '''two", "lines'''"], ["text = ..."]),
])
def test_stub(block, expected):
    assert stub(block) == expected


@pytest.mark.parametrize("block, says", [
    (["print(1)"], "no stub"), (["    if x:"], "whole statements"), (["x += 1"], "no stub")])
def test_blocks_without_a_stub(block, says):
    with pytest.raises(SourceError, match=says):
        stub(block)


def test_a_lesson_is_its_solution_without_answers_outputs_and_notes():
    nb = notebook("x = 1", solution("    return x * 3.14159265", before="def f(x):", after='check("E01.2", f)'),
                  tags=["instructor"])
    nb.cells[1].outputs = [nbformat.v4.new_output("stream", text="hello")]
    nb.metadata.language_info = {"name": "python", "version": "3.11.7"}
    lesson = make(nb)
    assert [cell.id for cell in lesson.cells] == ["title", "c0", "c1"]
    assert lesson.cells[2].source == 'def f(x):\n    return ...\ncheck("E01.2", f)'
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in lesson.cells)
    assert lesson.metadata.language_info == nb.metadata.language_info
    assert nb.cells[2].execution_count == 1, "the solution itself is not changed"
    nbformat.validate(lesson)
    assert make_lessons.to_text(make(nb)) == make_lessons.to_text(lesson)


@pytest.mark.parametrize("source, says", [
    ("### BEGIN SOLUTION\nx = 1", "without"), ("x = 1\n### END SOLUTION", "unbalanced"),
    ("### BEGIN SOLUTION\n### BEGIN SOLUTION\nx=1\n### END SOLUTION", "unbalanced"),
    ("# BEGIN SOLUTION\nx = 1", "unbalanced"), ("### BEGIN SOLUTION\n\n### END SOLUTION", "empty"),
    ('x = 1\ncheck("E01.1", x)', "no solution block in the cell that checks E01.1")])
def test_sources_that_are_refused(source, says):
    with pytest.raises(SourceError, match=says):
        make(notebook(source))


def test_a_solution_that_survives_is_refused():
    line = "r = A.T @ (A @ x - b) + lam * x"
    with pytest.raises(SourceError, match="survives"):
        make(notebook(solution(line), line))
    with pytest.raises(SourceError, match="survives"):
        make(notebook("x = 1", "'''\na note to instructor\n'''", tags=["instructor"]))


def test_markers_in_markdown_are_refused():
    nb = notebook("x = 1")
    nb.cells[0].source = "### BEGIN SOLUTION"
    with pytest.raises(SourceError, match="markers belong in code"):
        make(nb)


@pytest.fixture
def clone(tmp_path):
    for folder in ("lessons", "solutions"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("my_answers.md", ".*"))
    return tmp_path


def test_drift_is_found_and_mended(clone, capsys):
    lesson = sorted((clone / "lessons").glob("*.ipynb"))[1]
    made = lesson.read_bytes()
    lesson.unlink()
    assert make_lessons.main(["--check"], clone) == 1 and "is missing" in capsys.readouterr().out
    assert make_lessons.main([], clone) == 0 and lesson.read_bytes() == made
    assert make_lessons.main(["--check"], clone) == 0
    (clone / "lessons" / "99_stray.ipynb").write_text("{}")
    assert make_lessons.main(["--check"], clone) == 1 and "has no solution" in capsys.readouterr().out


def test_a_stale_lesson_is_found(clone, capsys):
    path = sorted((clone / "solutions").glob("*.ipynb"))[1]
    nb = nbformat.read(path, as_version=4)
    nb.cells[0].source += "\n\nOne more sentence."
    path.write_text(make_lessons.to_text(nb), encoding="utf-8")
    assert make_lessons.main(["--check"], clone) == 1
    assert f"{path.name} has drifted" in capsys.readouterr().out


def test_an_edited_lesson_is_kept_beside_the_new_one(clone, capsys):
    lesson = sorted((clone / "lessons").glob("*.ipynb"))[1]
    for expected in (".yours.ipynb", ".yours2.ipynb"):
        nb = nbformat.read(lesson, as_version=4)
        nb.cells[1].source += "\n\nMy own note."
        nbformat.write(nb, lesson)
        mine = lesson.read_bytes()
        make_lessons.main([], clone)
        assert lesson.with_suffix(expected).read_bytes() == mine
        assert "had edits: kept as" in capsys.readouterr().out
    assert make_lessons.main(["--check"], clone) == 0


def test_running_a_lesson_is_not_an_edit(clone):
    lesson = sorted((clone / "lessons").glob("*.ipynb"))[1]
    nb = nbformat.read(lesson, as_version=4)
    nb.cells[2].update(execution_count=1)
    nbformat.write(nb, lesson)
    assert not make_lessons.is_edited(lesson)
    lesson.write_text("not a notebook")
    assert make_lessons.is_edited(lesson)


def test_two_runs_of_a_solution_give_the_same_bytes(clone):
    path = sorted((clone / "solutions").glob("*.ipynb"))[0]
    nb = nbformat.read(path, as_version=4)
    nb.cells[2].source = f"import sys; sys.path[:0] = [{str(ROOT)!r}]\nfrom utils import check, progress"
    nbformat.write(nb, path)
    make_lessons.execute(path)
    once = path.read_bytes()
    make_lessons.execute(path)
    assert path.read_bytes() == once


def test_the_message_names_the_notebook_and_the_cell(clone, capsys):
    path = sorted((clone / "solutions").glob("*.ipynb"))[1]
    nb = nbformat.read(path, as_version=4)
    nb.cells.append(nbformat.v4.new_code_cell("### BEGIN SOLUTION\nx = 1"))
    nbformat.write(nb, path)
    assert make_lessons.main(["--check"], clone) == 1
    assert f"solutions/{path.name}, cell {len(nb.cells) - 1}: unbalanced" in capsys.readouterr().err
