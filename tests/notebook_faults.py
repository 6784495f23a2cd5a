"""What a solution notebook must be, beyond that its outputs are what its code prints: faults(nb) lists what is not."""
import re

COMMENTS = ("NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION", "PYTEST_VALIDATE_IGNORE_OUTPUT")
TAGS = ("nbval-ignore-output", "nbval-skip", "nbval-raises-exception", "raises-exception")
WORDS, CELLS, FIGURES, LINES, WIDTH = 2200, 45, 6, 15, 132


def faults(nb):
    """All faults of an executed solution notebook, as sentences."""
    return [*_not_run(nb), *_ignored(nb), *_errors_and_warnings(nb), *_figures(nb), *_headings(nb), *_ids(nb)]


def over_budget(lesson):
    """The budgets that a lesson exceeds: words of prose, cells, figures, lines in a code cell and their width."""
    words = sum(len(_prose(cell.source).split()) for cell in lesson.cells if cell.cell_type == "markdown")
    figures = sum(len(re.findall(r"^\s*show\(", cell.source, re.M)) for cell in _code(lesson))
    lines = max(sum(bool(line.strip()) for line in cell.source.split("\n")) for cell in _code(lesson))
    width = max(len(line) for cell in _code(lesson) for line in cell.source.split("\n"))
    counts = {"words": (words, WORDS), "cells": (len(lesson.cells), CELLS), "figures": (figures, FIGURES),
              "lines in a code cell": (lines, LINES), "characters in a line of code": (width, WIDTH)}
    return [f"{count} {name}, at most {most}" for name, (count, most) in counts.items() if count > most]


def _prose(source):
    """Markdown without its formulas and link targets, which nobody reads as words."""
    return re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)", " ", source, flags=re.S)


def _code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def _not_run(nb):
    counts = [cell.execution_count for cell in _code(nb)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)}: restart and run all"


def _ignored(nb):
    for number, cell in enumerate(nb.cells):
        marks = [mark for mark in COMMENTS if mark in cell.source]
        marks += [tag for tag in TAGS if tag in cell.metadata.get("tags", [])]
        if marks:
            yield f"cell {number}: {marks[0]} keeps an output from being compared"


def _errors_and_warnings(nb):
    for number, cell in enumerate(nb.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield f"cell {number}: an error is stored, {output.ename}"
            elif output.get("name") == "stderr":
                yield f"cell {number}: stderr is stored, {output.text.strip()[:60]!r}"


def _figures(nb):
    for number, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        if re.search(r"plt\.show\(|\bdisplay\(", cell.source):
            yield f"cell {number}: a figure that does not go through show(fig, says)"
        shown = len(re.findall(r"^\s*show\(", cell.source, re.M))
        pictures = [out for out in cell.outputs if "image/png" in out.get("data", {})]
        if len(pictures) != shown:
            yield f"cell {number}: {shown} figures are shown and {len(pictures)} pictures stored"
        printed = "".join(out.text for out in cell.outputs if out.get("name") == "stdout")
        for picture in pictures:
            says = picture.metadata.get("image/png", {}).get("alt", "")
            if not says or says not in printed:
                yield f"cell {number}: a figure without its sentence"


def _headings(nb):
    levels = [len(mark) for cell in nb.cells if cell.cell_type == "markdown"
              for mark in re.findall(r"^(#{1,6}) ", re.sub(r"```.*?```", "", cell.source, flags=re.S), re.M)]
    if not levels or levels[0] != 1 or levels.count(1) != 1:
        yield "there is not exactly one title, and first"
    for above, below in zip(levels, levels[1:]):
        if below > above + 1:
            yield f"a heading of level {below} follows one of level {above}"


def _ids(nb):
    ids = [cell.get("id") for cell in nb.cells]
    if None in ids or len(set(ids)) != len(ids):
        yield "cell ids are missing or repeated"
