"""One look for every figure of the course.

Colors are Okabe and Ito's (2008), which color-blind readers tell apart; each has its own dash and marker,
so that the figures can be read in grey. A method keeps its style from lesson to lesson. No figure is shown
without a sentence that says what it shows.
"""
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

INK, GREY, PALE = "#222222", "#767676", "#c8c8c8"
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#8a3d73", "#56b4e9"

STYLES = {  # the start of a curve's name -> how it is drawn, in every lesson
    "pseudo-inverse": dict(color=INK, linestyle="-", marker="o"),
    "truncated SVD": dict(color=PURPLE, linestyle=(0, (1, 1)), marker="v"),
    "ridge": dict(color=SKY, linestyle="--", marker="s"),
    "gradient descent": dict(color=ORANGE, linestyle="-", marker="^"),
    "heavy ball": dict(color=GREEN, linestyle="-.", marker="D"),
    "Nesterov": dict(color=PURPLE, linestyle=(0, (3, 1, 1, 1)), marker="p"),
    "stochastic": dict(color=GREY, linestyle=":", marker="x"),
    "CG": dict(color=BLUE, linestyle="--", marker="P"),
    "L-BFGS": dict(color=INK, linestyle=":", marker="s"),
    "yours": dict(color=BLUE, linestyle="-", marker="X"),
    "Newton": dict(color=INK, linestyle=(0, (5, 1)), marker="*"),
    "Gauss-Newton": dict(color=PURPLE, linestyle=(0, (5, 1)), marker="h"),
}
SPARE = [dict(color=BLUE, linestyle="-", marker="o"), dict(color=ORANGE, linestyle="--", marker="s"),
         dict(color=GREEN, linestyle="-.", marker="^"), dict(color=PURPLE, linestyle=":", marker="D")]

plt.rcParams.update({
    "figure.figsize": (6.4, 4.0), "figure.dpi": 100, "figure.constrained_layout.use": True,
    "font.size": 11, "axes.titlesize": 11, "axes.labelsize": 11, "legend.fontsize": 10,
    "xtick.labelsize": 10, "ytick.labelsize": 10, "axes.titlelocation": "left", "legend.frameon": True,
    "legend.framealpha": 0.9, "legend.edgecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY, "lines.linewidth": 1.8,
    "lines.markersize": 6,
})


def style(name, spare=0):
    """The keyword arguments with which a curve of this name is drawn; `spare` numbers the unknown names."""
    for start, look in STYLES.items():
        if name.startswith(start):
            return dict(look)
    return dict(SPARE[spare % len(SPARE)])


def show(fig, says):
    """Display a figure, print its sentence under it, and store the sentence as its text alternative.

    `says` is one full sentence that states what the figure shows, its numbers computed in the cell.
    Raises ValueError if it is not a sentence: a figure that shows nothing in particular has no place here.
    """
    if len(str(says).split()) < 4 or not str(says).rstrip().endswith("."):
        raise ValueError(f"says: one full sentence that ends in a period was wanted, {says!r} came")
    display(fig, metadata={"image/png": {"alt": says}})
    plt.close(fig)
    print(says)


def filter_plot(A, b, solutions, theory=None, ax=None):
    """What has been learned so far: of each direction of the pseudo-inverse solution, the learned fraction.

    A (m, n), b (m,); solutions {name: x of shape (n,)}, at most four. Against each singular value s_i stands
    phi_i = <x, v_i> / (<u_i, b> / s_i): 1 is the pseudo-inverse, 0 is "nothing learned" (Hansen 1998, filter
    factors). Directions with s_i below numpy's rank cutoff, or which b does not touch, are left out.
    `theory` {name: phi (k,)}, for the k directions drawn, holds predictions: wide pale lines under the measured.
    Drawn on `ax`, if one is given. Returns (fig, {name: phi}), phi in the order of the decreasing singular values.
    """
    if len(solutions) > 4:
        raise ValueError(f"solutions: at most 4 curves can be told apart, {len(solutions)} came")
    s, phi = filter_factors(A, b, solutions)
    ax = ax or plt.subplots()[1]
    ax.axhline(1, color=PALE, linewidth=1, zorder=0)
    for name, values in (theory or {}).items():
        ax.plot(s, values, color=PALE, linewidth=5, label=name, zorder=0)
    for k, (name, values) in enumerate(phi.items()):
        ax.plot(s, values, label=name, **style(name, k))
    ax.set_xscale("log")
    ax.set(xlabel=r"singular value $\sigma_i$ (log scale)", ylabel=r"learned fraction $\varphi_i$",
           title="What has been learned so far?")
    if all(np.all((v > -0.1) & (v < 1.3)) for v in phi.values()):
        ax.set_ylim(-0.1, 1.3)
    ax.legend()
    return ax.figure, phi


def filter_factors(A, b, solutions):
    """The singular values and {name: phi} of `filter_plot`."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    keep = s > s[0] * max(A.shape) * np.finfo(s.dtype).eps
    keep &= np.abs(U.T @ b) > 1e-12 * np.linalg.norm(b)
    learned = (U.T @ b)[keep] / s[keep]
    return s[keep], {name: (Vt @ x)[keep] / learned for name, x in solutions.items()}


def convergence_plot(curves, ylabel, title, theory=None, xlabel="cost (gradient-equivalents)"):
    """Progress against honest cost, semilogarithmic: curves {name: (cost (k,), values (k,))}, at most four.

    `theory`, of the same form, holds predictions: drawn as wide pale lines under the measured curves, named
    in the legend. Values that are not positive are not drawn. Returns (fig, ax).
    """
    if len(curves) > 4:
        raise ValueError(f"curves: at most 4 can be told apart, {len(curves)} came")
    fig, ax = plt.subplots()
    for name, (cost, values) in (theory or {}).items():
        ax.plot(cost, values, color=PALE, linewidth=5, solid_capstyle="butt", label=name, zorder=0)
    for k, (name, (cost, values)) in enumerate(curves.items()):
        ax.plot(cost, values, label=name, markevery=max(1, len(values) // 8), **style(name, k))
    ax.set_yscale("log", nonpositive="mask")
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend()
    return fig, ax
