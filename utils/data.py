"""The three real data sets of the course, split and scaled in one way for all lessons.

They come with scikit-learn, so nothing is downloaded. Rows with index % 5 == 0 are the test rows, all
others are for training: a split that anybody can repeat without a random number.
"""
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Features X (N, d), targets y (N,), the names of the features, and the two parts of the rows.

    `train` and `test` are integer arrays of row indices.
    """
    X: np.ndarray
    y: np.ndarray
    names: tuple

    @property
    def test(self):
        return np.arange(0, len(self.y), 5)

    @property
    def train(self):
        return np.setdiff1d(np.arange(len(self.y)), self.test)


def diabetes(scaled=True):
    """442 patients, 10 baseline measurements, disease progression after one year (Efron et al. 2004).

    The columns of X have mean 0 and sum of squares 1, as scikit-learn gives them; with scaled=False they are
    in the units of the measurements (age in years, bmi in kg/m^2, bp in mm Hg). y is between 25 and 346.
    """
    from sklearn.datasets import load_diabetes
    raw = load_diabetes(scaled=scaled)
    return Dataset(raw.data, raw.target, tuple(raw.feature_names))


def breast_cancer():
    """569 tumors, 30 measurements in their own units; y = 1 is benign, y = 0 malignant (Wolberg et al. 1995)."""
    from sklearn.datasets import load_breast_cancer
    raw = load_breast_cancer()
    return Dataset(raw.data, raw.target.astype(float), tuple(map(str, raw.feature_names)))


def digits():
    """1797 handwritten digits of 8 x 8 pixels, scaled from 0..16 to 0..1; y holds the labels 0..9."""
    from sklearn.datasets import load_digits
    raw = load_digits()
    return Dataset(raw.data / 16, raw.target, tuple(raw.feature_names))


def standardized(X, y):
    """The least-squares problem of the running figure: (A, b) with columns of mean 0 and A.T @ A the correlations.

    A = (X - mean) / std / sqrt(N) and b = (y - mean) / sqrt(N), over all N rows; shapes (N, d) and (N,).
    The centering makes the intercept 0, and the 1/sqrt(N) makes 1/2 ||Ax - b||^2 half the mean square error.
    Raises ValueError if a column is constant: it has no scale.
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    scale = X.std(axis=0)
    if np.any(scale == 0):
        raise ValueError(f"X: column {int(np.argmin(scale))} is constant; drop the columns without spread first")
    root = np.sqrt(len(y))
    return (X - X.mean(axis=0)) / scale / root, (y - y.mean()) / root
