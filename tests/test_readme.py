"""What the front pages promise is what is there."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "lessons/README.md", "solutions/README.md"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", read(page)):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_map_marks_what_exists():
    exist = sorted(path.stem for path in (ROOT / "lessons").glob("*.ipynb") if ".yours" not in path.name)
    rows = [line for line in read("README.md").splitlines() if re.match(r"\| (\d\d|A–F|[A-F]) \|", line)]
    assert [re.search(r"lessons/(\w+)\.ipynb", row)[1] for row in rows if "| ready |" in row] == exist
    assert all(("| ready |" in row) == ("](lessons/" in row) for row in rows)
    assert sorted(re.findall(r"\]\((\w+)\.ipynb\)", read("lessons/README.md"))) == exist


def test_the_syllabus_names_the_run_time_of_each_lesson():
    names = re.findall(r"\| \[(\d\d) ", read("lessons/README.md"))
    measured = re.search(r'What was measured, in seconds: "Run All" takes (.*?) \(', read("lessons/README.md"))[1]
    assert re.findall(r"(\d\d): \d+(?=,|$)", measured) == names


def test_ci_calls_the_command_that_readme_gives():
    commands = re.findall(r"```\n(.*?)\n```", read("README.md"), re.S)
    assert commands[2].endswith("-m pytest") and commands[2] in read(".ci/run")
    assert commands[0].endswith("jupyter lab lessons/01_pseudo_inverse.ipynb")
    for unix, windows in (commands[0:2], commands[2:4]):
        as_unix = windows.replace("\\", "/").replace("Scripts", "bin").replace(";", " &&")
        assert unix.replace("python3", "py") == as_unix


def test_binder_has_the_same_requirements():
    assert read(".binder/requirements.txt") == read("requirements.txt")


def test_requirements_are_the_fixed_packages_each_with_a_range():
    lines = [line for line in read("requirements.txt").splitlines() if not line.startswith("#")]
    names = [re.fullmatch(r"([a-z-]+)>=[\d.]+,<[\d.]+", line)[1] for line in lines]
    assert sorted(names) == ["jupyter", "matplotlib", "nbval", "numpy", "scikit-learn", "scipy"]
