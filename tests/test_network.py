"""The network's products agree with a plain version, with finite and complex differences, and hide their cache."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from derivatives import check_arguments_unchanged, check_cache_is_invisible, check_products, near_points
from sklearn.metrics import log_loss

from utils import network
from utils.network import NetworkLoss
from utils.pointwise import ACTIVATIONS, LOSSES

PHI = {  # phi, phi', phi'' of z, real or complex
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda z: -2 * np.tanh(z) * (1 - np.tanh(z) ** 2)),
    "relu": (lambda z: z * (z.real > 0), lambda z: 1.0 * (z.real > 0), lambda z: 0 * z),
    "softplus": (lambda z: np.log(1 + np.exp(z)), lambda z: 1 / (1 + np.exp(-z)),
                 lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "identity": (lambda z: z, lambda z: 1 + 0 * z, lambda z: 0 * z),
    "square": (lambda z: z * z, lambda z: 2 * z, lambda z: 2 + 0 * z),
}


def softmax(h):
    return np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)


class Plain:
    """The four lines of `utils/network.py`'s docstring and nothing else; theta may be complex."""

    def __init__(self, sizes, X, Y, activation, loss, l2):
        self.sizes, self.X, self.Y, self.loss, self.l2 = sizes, X, Y, loss, l2
        self.phi, self.dphi, self.ddphi = PHI[activation]

    def layers(self, theta):
        end, layers = 0, []
        for i, o in zip(self.sizes, self.sizes[1:]):
            block = theta[end:end + o * (i + 1)].reshape(o, i + 1)
            layers.append((block[:, :-1], block[:, -1]))
            end += o * (i + 1)
        return layers

    def forward(self, theta):
        A, Z = [self.X], []
        for W, b in self.layers(theta):
            Z.append(A[-1] @ W.T + b)
            A.append(self.phi(Z[-1]))
        return A, Z

    def fun(self, theta):
        h = self.forward(theta)[1][-1]
        if self.loss == "squared":
            total = 0.5 * np.sum((h - self.Y) ** 2)
        elif self.loss == "cross_entropy":
            total = np.sum(np.log(np.exp(h).sum(axis=1)) - (self.Y * h).sum(axis=1))
        else:
            total = np.sum(np.log(1 + np.exp(h)) - self.Y * h)
        return total / len(h) + 0.5 * self.l2 * np.sum(theta**2)

    def slope(self, h):
        s = {"squared": lambda h: h, "cross_entropy": softmax, "binary_cross_entropy": PHI["softplus"][1]}
        return (s[self.loss](h) - self.Y) / len(h)

    def curve(self, h, u):
        if self.loss == "squared":
            return u / len(h)
        if self.loss == "cross_entropy":
            s = softmax(h)
            return (s * u - s * (s * u).sum(axis=1, keepdims=True)) / len(h)
        return PHI["softplus"][2](h) * u / len(h)

    def vjp(self, theta, u):
        (A, Z), layers = self.forward(theta), self.layers(theta)
        D, blocks = u.reshape(len(self.X), -1), []
        for k in reversed(range(len(layers))):
            blocks.insert(0, np.column_stack([D.T @ A[k], D.sum(axis=0)]).reshape(-1))
            D = self.dphi(Z[k - 1]) * (D @ layers[k][0]) if k else None
        return np.concatenate(blocks)

    def grad(self, theta):
        return self.vjp(theta, self.slope(self.forward(theta)[1][-1])) + self.l2 * theta

    def r_forward(self, theta, v):
        A, Z = self.forward(theta)
        RA, RZ = [0 * self.X], []
        for k, ((W, _), (V, c)) in enumerate(zip(self.layers(theta), self.layers(v))):
            RZ.append(A[k] @ V.T + c + RA[k] @ W.T)
            RA.append(self.dphi(Z[k]) * RZ[k])
        return RA, RZ

    def jvp(self, theta, v):
        return self.r_forward(theta, v)[1][-1].reshape(-1)

    def ggnp(self, theta, v):
        h = self.forward(theta)[1][-1]
        return self.vjp(theta, self.curve(h, self.jvp(theta, v).reshape(h.shape))) + self.l2 * v

    def hessp(self, theta, v):
        (A, Z), (RA, RZ) = self.forward(theta), self.r_forward(theta, v)
        W, V = ([w for w, _ in self.layers(x)] for x in (theta, v))
        D, RD, blocks = self.slope(Z[-1]), self.curve(Z[-1], RZ[-1]), []
        for k in reversed(range(len(W))):
            blocks.insert(0, np.column_stack([RD.T @ A[k] + D.T @ RA[k], RD.sum(axis=0)]).reshape(-1))
            if k:
                E = D @ W[k]
                RD = self.dphi(Z[k - 1]) * (RD @ W[k] + D @ V[k]) + self.ddphi(Z[k - 1]) * E * RZ[k - 1]
                D = self.dphi(Z[k - 1]) * E
        return np.concatenate(blocks) + self.l2 * v


def random_case(rng, activation=None, loss=None, N=None):
    """Random sizes, data, activation, loss and l2: the arguments of NetworkLoss and of Plain."""
    sizes = [int(w) for w in rng.integers(1, 8, rng.integers(2, 6))]
    N = N or int(rng.choice([1, 2, 5, 23, 40]))
    loss = loss or str(rng.choice(list(LOSSES)))
    activation = activation or str(rng.choice(list(ACTIVATIONS)))
    if activation == "square":
        sizes = sizes[-3:]  # deeper, its powers overflow the plain version
    Y = rng.standard_normal((N, sizes[-1])) if loss == "squared" else rng.random((N, sizes[-1]))
    if loss == "cross_entropy":
        Y /= Y.sum(axis=1, keepdims=True)
    return sizes, rng.standard_normal((N, sizes[0])), Y, activation, loss, float(rng.choice([0, 0.1]))


def random_blocks(rng, monkeypatch):
    """Blocks and tiles so small that a few samples need many of them, of unequal sizes."""
    monkeypatch.setattr(network, "CACHE", int(rng.choice([30, 100, 2**16])))
    monkeypatch.setattr(network, "SMALL", int(rng.choice([60, 200, 10**6])))
    monkeypatch.setattr(network, "TILE", 1)


def random_theta(net, rng):
    return net.init(rng, 0.8) + 0.2 * rng.standard_normal(net.n)


def calls(net, v, u):
    return {"grad": (), "hessp": (v,), "ggnp": (v,), "jvp": (v,), "vjp": (u,)}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_agrees_with_the_plain_version(activation, loss, monkeypatch):
    rng = np.random.default_rng(1)
    for _ in range(12):
        random_blocks(rng, monkeypatch)
        case = random_case(rng, activation, loss)
        net, plain = NetworkLoss(*case), Plain(*case)
        theta, v = random_theta(net, rng), rng.standard_normal(net.n)
        u = rng.standard_normal(net.m)
        assert net.fun(theta) == pytest.approx(plain.fun(theta), rel=1e-12)
        h = plain.forward(theta)[1][-1]
        np.testing.assert_allclose(net.predict(theta, case[1]), h, atol=1e-12 * abs(h).max())
        for name, extra in calls(net, v, u).items():
            got, wanted = getattr(net, name)(theta, *extra), getattr(plain, name)(theta, *extra)
            assert np.linalg.norm(got - wanted) <= 1e-12 * (np.linalg.norm(wanted) + 1), name


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_complex_differences(activation, loss):
    """Im f(theta + ihv) / h is the derivative along v to rounding, for any tiny h (Squire & Trapp 1998)."""
    rng = np.random.default_rng(2)
    for _ in range(6):
        case = random_case(rng, activation, loss)
        net, plain = NetworkLoss(*case), Plain(*case)
        theta, v = random_theta(net, rng), rng.standard_normal(net.n)
        moved = theta + 1e-30j * v
        slope, Hv = plain.fun(moved).imag * 1e30, plain.grad(moved).imag * 1e30
        Jv = plain.forward(moved)[1][-1].imag.reshape(-1) * 1e30
        g = net.grad(theta)
        assert abs(g @ v - slope) <= 1e-12 * (np.linalg.norm(g) * np.linalg.norm(v) + 1)
        np.testing.assert_allclose(net.hessp(theta, v), Hv, atol=1e-12 * (np.linalg.norm(Hv) + 1))
        np.testing.assert_allclose(net.jvp(theta, v), Jv, atol=1e-12 * (np.linalg.norm(Jv) + 1))


@pytest.mark.parametrize("seed", range(40))
def test_products_at_random_points(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    random_blocks(rng, monkeypatch)
    net = NetworkLoss(*random_case(rng))
    check_products(net, random_theta(net, rng), rng, tol=1e-11)


@pytest.mark.parametrize("seed", range(20))
def test_single_precision(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    random_blocks(rng, monkeypatch)
    sizes, X, *rest = random_case(rng)
    X = X.astype(np.float32)
    single, double = NetworkLoss(sizes, X, *rest), NetworkLoss(sizes, X.astype(float), *rest)
    theta, v = rng.standard_normal((2, single.n)).astype(np.float32)
    u = rng.standard_normal(single.m).astype(np.float32)
    assert isinstance(single.fun(theta), float)
    assert single.fun(theta) == pytest.approx(double.fun(theta), rel=1e-4)
    assert single.predict(theta, X).dtype == single.init(0).dtype == np.float32
    for name, extra in calls(single, v, u).items():
        got, wanted = getattr(single, name)(theta, *extra), getattr(double, name)(theta, *extra)
        assert got.dtype == np.float32 and wanted.dtype == float
        assert np.linalg.norm(got - wanted) <= 2e-4 * (np.linalg.norm(wanted) + 1), name
    assert single.kronecker(theta)(v).dtype == np.float32


def test_cross_entropy_is_that_of_sklearn():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    net = NetworkLoss([4, 5, 3], X, y)
    theta = net.init(0)
    assert net.fun(theta) == pytest.approx(log_loss(y, softmax(net.predict(theta, X))), rel=1e-12)


def test_labels_targets_and_columns_mean_the_same():
    rng = np.random.default_rng(4)
    X, y, r = rng.standard_normal((9, 2)), rng.integers(0, 3, 9), rng.random(9)
    theta = NetworkLoss([2, 3], X, y).init(0)
    values = {NetworkLoss([2, 3], X, Y).fun(theta) for Y in (y, list(y), y.astype(float), np.eye(3)[y])}
    assert len(values) == 1
    for loss in ("squared", "binary_cross_entropy"):
        flat, column = (NetworkLoss([2, 1], X, Y, loss=loss) for Y in (r, r[:, None]))
        assert flat.fun(theta[:3]) == column.fun(theta[:3])


def test_hess_is_the_matrix_of_hessp():
    rng = np.random.default_rng(5)
    net = NetworkLoss(*random_case(rng, "tanh"))
    theta, v = rng.standard_normal((2, net.n))
    np.testing.assert_allclose(net.hess(theta) @ v, net.hessp(theta, v), atol=1e-11)


# ---- the cache ----

@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_the_cache_is_invisible(loss, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    random_blocks(rng, monkeypatch)
    sizes, X, Y, *rest = random_case(rng, "tanh", loss, N=23)

    def make_losses():
        return NetworkLoss(sizes, X, Y, *rest), NetworkLoss(sizes, -X, Y, *rest)

    points = near_points(rng, make_losses()[0].n)
    check_cache_is_invisible(make_losses, points, rng, calls=80)
    check_arguments_unchanged(make_losses()[0], points[0], rng)


def test_data_are_copied():
    rng = np.random.default_rng(6)
    sizes, X, Y, *rest = random_case(rng, "tanh", "squared", N=5)
    net = NetworkLoss(sizes, X, Y, *rest)
    theta = net.init(0)
    before = net.fun(theta), net.grad(theta).tobytes()
    X *= 2
    Y += 1
    net.fun(theta + 1), net.grad(theta + 2)
    assert (net.fun(theta), net.grad(theta).tobytes()) == before


def test_a_rejected_trial_costs_one_forward_pass_and_an_accepted_one_none_again(monkeypatch):
    rng = np.random.default_rng(7)
    net = NetworkLoss([3, 4, 2], rng.standard_normal((5, 3)), rng.integers(0, 2, 5))
    passes = {"forward": 0, "back": 0}

    def counted(name, function):
        def call(*args):
            passes[name] += 1
            return function(*args)
        return call

    net._phi, net._back = counted("forward", net._phi), counted("back", net._back)  # one hidden layer: once a pass
    theta, v = net.init(0), rng.standard_normal(net.n)
    for call, cost in (
        (lambda: net.fun(theta), (1, 0)), (lambda: net.grad(theta), (1, 1)), (lambda: net.hessp(theta, v), (1, 1)),
        (lambda: net.fun(theta + v), (2, 1)), (lambda: net.fun(theta + v / 2), (3, 1)),  # two trials
        (lambda: net.hessp(theta, v), (3, 1)), (lambda: net.ggnp(theta, v), (3, 1)),     # rejected: all is kept
        (lambda: net.fun(theta + v / 4), (4, 1)), (lambda: net.grad(theta + v / 4), (4, 2)),  # accepted
        (lambda: net.hessp(theta + v / 4, v), (4, 2)), (lambda: net.grad(theta + v / 4), (4, 2)),
    ):
        call()
        assert (passes["forward"], passes["back"]) == cost


def test_an_interrupt_leaves_no_half_done_point():
    rng = np.random.default_rng(8)
    case = random_case(rng, "tanh", "squared", N=23)
    case = ([3, 4, 4, 2], rng.standard_normal((23, 3)), rng.standard_normal((23, 2)), "softplus", *case[4:])
    net, fresh = NetworkLoss(*case), NetworkLoss(*case)
    theta, calls = net.init(0), []
    back = net._back

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return back(*args)

    net._back = interrupted
    with pytest.raises(KeyboardInterrupt):
        net.grad(theta)
    assert net.grad(theta).tobytes() == fresh.grad(theta).tobytes()


def test_copies_and_pickles_are_their_own():
    rng = np.random.default_rng(9)
    case = random_case(rng, "tanh")
    net = NetworkLoss(*case)
    theta, v, w = rng.standard_normal((3, net.n))
    net.hessp(theta, v)
    wanted = [NetworkLoss(*case).hessp(x, w).tobytes() for x in (theta, -theta)]
    for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert [twin.hessp(x, w).tobytes() for x in (theta, -theta)] == wanted
        assert [net.hessp(x, w).tobytes() for x in (theta, -theta)] == wanted


# ---- extremes ----

@pytest.mark.parametrize("loss", LOSSES)
def test_logits_of_ten_thousand(loss):
    X, y = np.array([[1.0], [-1.0], [2.0]]), np.array([1, 0, 0])
    net = NetworkLoss([1, 2], X, np.eye(2)[y], loss=loss)
    theta = np.array([-1e4, 0, 1e4, 0])  # the third sample is wrong by 2e4 in each logit
    wanted = {"cross_entropy": 4e4 / 3, "binary_cross_entropy": 4e4 / 3,
              "squared": 0.5 * np.sum((X @ [[-1e4, 1e4]] - np.eye(2)[y]) ** 2) / 3}
    slope = {"cross_entropy": 2 / 3, "binary_cross_entropy": 2 / 3,
             "squared": np.sum(X[:, 0] * (1e4 * X[:, 0] - np.eye(2)[y][:, 1])) / 3}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert net.fun(theta) == pytest.approx(wanted[loss], rel=1e-13)
        assert net.grad(theta)[2] == pytest.approx(slope[loss], rel=1e-13)
        for product in (net.hessp, net.ggnp):
            wanted = np.array([8, 5, 8, 5]) / 3 if loss == "squared" else np.zeros(4)
            np.testing.assert_allclose(product(theta, np.ones(4)), wanted, atol=1e-12)
        net.kronecker(theta)(theta)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_smallest_networks(activation, loss):
    """One sample, one feature, one hidden unit; and one class, zero weights, l2 = 0."""
    rng = np.random.default_rng(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sizes, N in (([1, 1], 1), ([1, 1, 1], 1), ([1, 2, 3], 1), ([1, 3, 2], 6)):
            Y = np.eye(sizes[-1])[np.zeros(N, int)]
            net = NetworkLoss(sizes, rng.standard_normal((N, 1)), Y, activation, loss)
            check_products(net, random_theta(net, rng), rng, tol=1e-11)
            if activation != "relu":  # which has a kink there
                check_products(net, np.zeros(net.n), rng, tol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_not_finite_theta_is_quiet_and_leaves_no_trace(activation, loss):
    rng = np.random.default_rng(11)
    net = NetworkLoss([2, 3, 3], rng.standard_normal((5, 2)), np.eye(3)[[0, 1, 2, 0, 1]], activation, loss)
    good, v = net.init(0), rng.standard_normal(net.n)
    before = [net.fun(good), net.grad(good).tobytes(), net.hessp(good, v).tobytes()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for bad in (np.nan, np.inf, -np.inf):
            for j in (0, 2, net.n - 1):
                theta = good.copy()
                theta[j] = bad
                assert not np.isfinite(net.fun(theta))
                net.grad(theta), net.hessp(theta, v), net.ggnp(theta, v), net.predict(theta, np.ones((1, 2)))
                net.grad(good + 1), net.hessp(theta, v)
        net.fun(np.full(net.n, 1e300)), net.grad(np.full(net.n, 1e300))
        if activation == "tanh":  # finite where f is: tanh is 1, the last layer small
            theta = np.append(np.full(9, 1e200), np.ones(12))
            assert np.isfinite(net.fun(theta)) and np.isfinite(net.grad(theta)).all()
        assert [net.fun(good), net.grad(good).tobytes(), net.hessp(good, v).tobytes()] == before


# ---- layers, init, subsample, kronecker ----

def test_layers_are_views():
    net = NetworkLoss([2, 3, 1], np.ones((4, 2)), np.ones(4), loss="squared")
    theta = np.zeros(net.n)
    layers = net.layers(theta)
    assert [(W.shape, b.shape) for W, b in layers] == [((3, 2), (3,)), ((1, 3), (1,))]
    layers[0][0][1, 0], layers[1][1][0] = 5, 7
    assert theta.tolist() == [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 7]


def test_init():
    net = NetworkLoss([400, 300, 2], np.ones((1, 400)), [0])
    theta = net.init(3)
    assert (theta == net.init(3)).all() and (theta != net.init(4)).any()
    for W, b in net.layers(theta):
        assert (b == 0).all() and np.sqrt(W.shape[1]) * W.std() == pytest.approx(1, rel=0.1)
    np.testing.assert_allclose(net.init(3, scale=0.5), theta / 2)


@pytest.mark.parametrize("loss", LOSSES)
def test_subsample(loss, monkeypatch):
    rng = np.random.default_rng(12)
    random_blocks(rng, monkeypatch)
    sizes, X, Y, *rest = random_case(rng, loss=loss, N=23)
    rest[-1] = 0.1
    net = NetworkLoss(sizes, X, Y, *rest)
    theta, v = rng.standard_normal((2, net.n))
    rows = rng.permutation(23)[:9]
    mask = np.isin(np.arange(23), rows)
    for chosen in (rows, mask, slice(3, 12)):
        wanted = NetworkLoss(sizes, X[chosen], Y[chosen], *rest)
        assert net.subsample(chosen).hessp(theta, v) == pytest.approx(wanted.hessp(theta, v), rel=1e-12, abs=1e-14)
    whole = (9 * net.subsample(mask).grad(theta) + 14 * net.subsample(~mask).grad(theta)) / 23
    np.testing.assert_allclose(whole, net.grad(theta), atol=1e-12)
    with pytest.raises(ValueError, match="X: got shape"):
        net.subsample([])


def test_kronecker_is_the_inverse_of_kronecker_products():
    rng = np.random.default_rng(13)
    sizes, N, l2, damping = [3, 4, 2], 50, 0.01, 0.1
    X = rng.standard_normal((N, 3))
    net = NetworkLoss(sizes, X, rng.standard_normal((N, 2)), "tanh", "squared", l2)
    theta, v = rng.standard_normal((2, net.n))
    solve = net.kronecker(theta, damping, seed=5)
    D = -np.random.default_rng(5).standard_normal((N, 2))  # h - (a target drawn from N(h, 1))
    (W1, b1), (W2, _) = net.layers(theta)
    A = np.tanh(X @ W1.T + b1)
    wanted, start = [], 0
    for rows, slopes in ((X, (D @ W2) * (1 - A**2)), (A, D)):
        rows = np.column_stack([rows, np.ones(N)])
        M = np.kron(slopes.T @ slopes / N, rows.T @ rows / N)
        M += (damping + l2) * np.eye(len(M))
        wanted.append(np.linalg.solve(M, v[start:start + len(M)]))
        start += len(M)
    np.testing.assert_allclose(solve(v), np.concatenate(wanted), rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_kronecker_is_near_gauss_newton_where_it_is_exact(loss):
    """One layer and one input for all samples: the mean of products is the product of means, up to the draws."""
    N = 20_000
    net = NetworkLoss([2, 3], np.tile([1.0, -2.0], (N, 1)), np.eye(3)[np.zeros(N, int)], loss=loss)
    theta = net.init(1)
    G = np.column_stack([net.ggnp(theta, e) for e in np.eye(net.n)])
    solve = net.kronecker(theta, damping=0.1)
    M = np.linalg.inv(np.column_stack([solve(e) for e in np.eye(net.n)])) - 0.1 * np.eye(net.n)
    assert np.linalg.norm(M - G) < 0.05 * np.linalg.norm(G)


@pytest.mark.parametrize("seed", range(6))
def test_kronecker_is_symmetric_positive_definite(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    random_blocks(rng, monkeypatch)
    net = NetworkLoss(*random_case(rng))
    theta = rng.standard_normal(net.n)
    solve = net.kronecker(theta)
    K = np.column_stack([solve(e) for e in np.eye(net.n)])
    np.testing.assert_allclose(K, K.T, atol=1e-9 * abs(K).max())
    assert np.linalg.eigvalsh((K + K.T) / 2).min() > 0
    assert (solve(theta) == net.kronecker(theta)(theta)).all()
    if net.sizes[-1] > 1:  # else a softmax is always sure
        assert (solve(theta) != net.kronecker(theta, seed=1)(theta)).any()


X, Y = np.ones((3, 2)), np.array([0, 1, 1])


@pytest.mark.parametrize("call, words", [
    (lambda: NetworkLoss([2], X, Y), ["sizes:", "[2]"]),
    (lambda: NetworkLoss([2, 0, 2], X, Y), ["sizes:", "[2, 0, 2]", "positive"]),
    (lambda: NetworkLoss([2, 2.5, 2], X, Y), ["sizes:", "2.5", "integers"]),
    (lambda: NetworkLoss([3, 2], X, Y), ["X:", "(3, 2)", "(N, 3)"]),
    (lambda: NetworkLoss([2, 2], X[:0], Y[:0]), ["X:", "(0, 2)", "at least one"]),
    (lambda: NetworkLoss([2, 2], X[0], Y), ["X:", "(2,)", "2 dim"]),
    (lambda: NetworkLoss([2, 2], X / 0.0, Y), ["X:", "inf", "finite"]),
    (lambda: NetworkLoss([2, 2], X, Y[:2]), ["Y:", "(2,)", "(3,)"]),
    (lambda: NetworkLoss([2, 2], X, Y + 1), ["Y:", "2", "0..1"]),
    (lambda: NetworkLoss([2, 2], X, Y - 0.5), ["Y:", "0.5", "integers"]),
    (lambda: NetworkLoss([2, 2], X, X), ["Y:", "sum 1"]),
    (lambda: NetworkLoss([2, 2], X, Y, loss="squared"), ["Y:", "(3,)", "2 dim"]),
    (lambda: NetworkLoss([2, 2], X, X[:, :1], loss="squared"), ["Y:", "(3, 1)", "(3, 2)"]),
    (lambda: NetworkLoss([2, 1], X, Y * np.nan, loss="squared"), ["Y:", "NaN", "finite"]),
    (lambda: NetworkLoss([2, 1], X, 2 * Y, loss="binary_cross_entropy"), ["Y:", "2", "[0, 1]"]),
    (lambda: NetworkLoss([2, 2], X, Y, "sigmoid"), ["activation:", "'sigmoid'", "tanh"]),
    (lambda: NetworkLoss([2, 2], X, Y, loss="hinge"), ["loss:", "'hinge'", "cross_entropy"]),
    (lambda: NetworkLoss([2, 2], X, Y, l2=-0.1), ["l2:", "-0.1", "non-negative"]),
    (lambda: NetworkLoss([2, 2], X, Y, l2=[0.1]), ["l2:", "(1,)"]),
    (lambda: NetworkLoss([2, 2], X, Y).fun(np.zeros(5)), ["theta:", "(5,)", "(6,)"]),
    (lambda: NetworkLoss([2, 2], X, Y).layers(np.zeros(5)), ["theta:", "(5,)", "(6,)"]),
    (lambda: NetworkLoss([2, 2], X, Y).hessp(np.zeros(6), np.zeros(7)), ["v:", "(7,)", "(6,)"]),
    (lambda: NetworkLoss([2, 2], X, Y).vjp(np.zeros(6), np.zeros(7)), ["u:", "(7,)", "(6,)"]),
    (lambda: NetworkLoss([2, 2], X, Y).predict(np.zeros(6), np.zeros((1, 3))), ["X:", "(1, 3)", "(N, 2)"]),
    (lambda: NetworkLoss([2, 2], X, Y).kronecker(np.full(6, np.nan)), ["theta:", "NaN", "finite"]),
    (lambda: NetworkLoss([2, 2], X, Y).kronecker(np.zeros(6), damping=0), ["damping", "0", "positive"]),
    (lambda: NetworkLoss([2, 2], X, Y).kronecker(np.zeros(6))(np.zeros(5)), ["v:", "(5,)", "(6,)"]),
    (lambda: NetworkLoss([1000, 2], np.ones((3, 1000)), Y).hess(np.zeros(2002)), ["x:", "2002", "hessp"]),
])
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_errors_say_what_came_and_what_was_wanted(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value), str(error.value)
