"""Data, figures and kept answers."""
import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest

from utils import breast_cancer, diabetes, digits, filter_plot, keep, kept, show, standardized
from utils import figures as fg


@pytest.mark.parametrize("load, shape, tests", [(diabetes, (442, 10), 89), (breast_cancer, (569, 30), 114),
                                                (digits, (1797, 64), 360)])
def test_data_are_split_in_one_way(load, shape, tests):
    data = load()
    assert data.X.shape == shape and data.y.shape == shape[:1] and len(data.names) == shape[1]
    assert len(data.test) == tests and np.all(data.test % 5 == 0)
    assert sorted([*data.test, *data.train]) == list(range(shape[0]))
    assert np.all(np.isfinite(data.X)) and data.X.flags.c_contiguous


def test_standardized_is_the_problem_of_the_running_figure():
    A, b = standardized(diabetes().X, diabetes().y)
    s = np.linalg.svd(A, compute_uv=False)
    assert np.allclose(s, [2.006, 1.222, 1.098, 0.977, 0.814, 0.776, 0.733, 0.659, 0.280, 0.0925], atol=5e-4)
    assert np.allclose(np.diag(A.T @ A), 1) and np.allclose(A.sum(axis=0), 0) and abs(b.sum()) < 1e-9
    with pytest.raises(ValueError, match="column 1 is constant"):
        standardized(np.column_stack([[1, 2, 3], [4, 4, 4]]), [1, 2, 3])


def test_show_displays_a_picture_with_its_sentence(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(fg, "display", lambda fig, metadata: seen.append(metadata))
    fig, _ = plt.subplots()
    show(fig, "The line rises by 2.0 in one step.")
    assert seen == [{"image/png": {"alt": "The line rises by 2.0 in one step."}}]
    assert capsys.readouterr().out == "The line rises by 2.0 in one step.\n"
    assert not plt.fignum_exists(fig.number)
    for nothing in ("", "A line.", "no period at the end of this", None):
        with pytest.raises(ValueError, match="says"):
            show(plt.figure(), nothing)
    plt.close("all")


def test_filter_factors_of_known_methods():
    A, b = standardized(diabetes().X, diabetes().y)
    H, c, lam = A.T @ A, A.T @ b, 0.1
    s2 = np.linalg.svd(A, compute_uv=False)**2
    learned = {"pseudo-inverse": np.linalg.pinv(A) @ b, "ridge": np.linalg.solve(H + lam * np.eye(10), c),
               "gradient descent": 0.2 * c}
    fig, phi = filter_plot(A, b, learned, theory={"prediction": s2 / (s2 + lam)})
    assert [line.get_label() for line in fig.axes[0].lines[1:]] == ["prediction", *learned]
    assert np.allclose(phi["pseudo-inverse"], 1)
    assert np.allclose(phi["ridge"], s2 / (s2 + lam))
    assert np.allclose(phi["gradient descent"], 0.2 * s2)
    plt.close(fig)
    with pytest.raises(ValueError, match="at most 4 curves"):
        filter_plot(A, b, dict.fromkeys("abcde", np.zeros(10)))
    fig, axes = plt.subplots(1, 2)
    drawn_on, again = filter_plot(A, b, learned, ax=axes[1])
    assert drawn_on is fig and not axes[0].lines and all(np.array_equal(again[name], phi[name]) for name in learned)
    plt.close(fig)


def test_filter_plot_leaves_out_what_has_no_factor():
    A = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 2], [0, 0, 0]])
    fig, phi = filter_plot(A, np.array([1.0, 1, 0, 5]), {"pseudo-inverse": np.array([0.5, 0.5, 0])})
    assert np.allclose(phi["pseudo-inverse"], [1])  # rank 2, and b touches one of the two directions
    plt.close(fig)


def luminance(color):
    r, g, b = plt.matplotlib.colors.to_rgb(color)
    return 0.299 * r + 0.587 * g + 0.114 * b


def test_styles_can_be_told_apart_without_color():
    looks = [*fg.STYLES.values(), *fg.SPARE]
    assert len({(str(look["linestyle"]), look["marker"]) for look in fg.STYLES.values()}) == len(fg.STYLES)
    assert len({(look["linestyle"], look["marker"]) for look in fg.SPARE}) == len(fg.SPARE)
    assert all(luminance(look["color"]) < 0.75 for look in looks), "too pale on white paper"
    sizes = [value for key, value in plt.rcParams.items()
             if key.endswith("labelsize") or key in ("font.size", "legend.fontsize")]
    assert min(size for size in sizes if isinstance(size, float)) >= 10


def test_a_method_keeps_its_style():
    assert fg.style("ridge, lam = 0.1") == fg.style("ridge, lam = 10")
    assert fg.style("unknown", 0) != fg.style("another", 1)


def test_answers_are_kept_and_never_replaced(tmp_path, capsys):
    keep("Q", ..., tmp_path)
    keep("Q", "  ", tmp_path)
    assert not (tmp_path / "my_answers.md").exists()
    keep("Q", "First.\nStill first.", tmp_path)
    keep("Q", " First.\nStill first. ", tmp_path)
    keep("Other", "Else.", tmp_path)
    keep("Q", "Second.\n\n## Q\nNot a heading.", tmp_path)
    assert kept("Q", tmp_path) == ["First.\nStill first.", "Second.\n\n## Q\nNot a heading."]
    assert kept("Other", tmp_path) == ["Else."]
    assert kept("Never asked", tmp_path) == []
    assert capsys.readouterr().out.count("Kept in my_answers.md") == 4


def test_figures_are_drawn_at_a_readable_size():
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    plt.close(fig)
    assert base64.b64encode(buffer.getvalue()).startswith(b"iVBOR")
    assert fig.get_size_inches().tolist() == [6.4, 4.0] and fig.dpi == 100
