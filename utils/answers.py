"""Keep what a learner writes in words, in a file beside the lessons that git ignores and no update touches."""
import re
from pathlib import Path

FILE = "my_answers.md"


def keep(question, answer, folder="."):
    """Add an answer (a text) to my_answers.md in the notebook's folder, and say so; nothing is ever replaced.

    The same answer to the same question is kept once. An unfinished answer (`...`, None, "") is not kept.
    """
    if answer is ... or answer is None or not str(answer).strip():
        print("Not written yet: nothing was kept.")
        return
    answer = str(answer).strip()
    if answer not in kept(question, folder):
        quoted = "\n".join(f"> {line}" for line in answer.splitlines())
        with open(Path(folder) / FILE, "a", encoding="utf-8") as file:
            file.write(f"## {question}\n{quoted}\n\n")
    print(f"Kept in {FILE}, beside this notebook.")


def kept(question, folder="."):
    """The answers kept for a question, oldest first; a list of texts, empty if there is none."""
    path = Path(folder) / FILE
    if not path.exists():
        return []
    blocks = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.M)
    return [re.sub(r"^> ?", "", body.strip(), flags=re.M)
            for head, _, body in (block.partition("\n") for block in blocks) if head == question]
