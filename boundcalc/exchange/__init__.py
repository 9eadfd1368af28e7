"""Theorems as TOML files, and theorems that installed packages bring along.

    [paper.nobody2030]                       # what theorems share, by name
    authors = "Nobody"
    title = "On wide networks"
    venue = "nowhere"
    version = "v1"

    [setting.relu]
    network = "deep ReLU network"
    init = "Gaussian"
    loss = "logistic"
    algorithm = "gradient descent"
    depth = "hidden layers"                  # or "weight matrices", "two-layer": what L counts

    [[theorem]]
    key = "nobody2030/thm1"
    title = "wide networks train"
    paper = "nobody2030"
    at = "Theorem 1"
    setting = "relu"
    conditions = [{bound = "m >= Otilde_m(L^3*n*log(n/delta))", rising = ["L", "n"], falling = ["delta"]}]
    prescriptions = ["eta = Theta_eta(1/(L*m))"]
    guarantees = [{bound = "L_S <= epsilon", probability = "1 - delta"}]

    [[theorem.derivation]]                   # how the statement is derived; none, one or several
    name = "keeping every layer's gradient"  # only the first may do without, which is the paper's own way
    choices = ["m", "eta", "K", "tau"]       # what the proof is free to choose, in this order
    put = {B = "2^(-L)*gamma"}               # what stands for symbols throughout
    quantities = {rest = "the distance from the linearization"}     # symbols beyond the vocabulary
    note = "absolute constants are left out"
    steps = [
        {id = "(2)", claim = "sqrt(K*eta)/B <= tau", needed = true, fixed = ["L"], says = "the steps stay within tau"},
        {id = "rest", claim = "rest <= L^4*m*tau", because = "f_lin", uses = ["(2)"], put = {D_1 = "L*tau"}},
        {id = "(3)", claim = "L_S <= epsilon", uses = ["rest", "cao2020/lem4.2"], where = ["m >= L^2"]},
    ]

An inequality is a text, or a table where there is more to say of it. Formulas are those of `formula`; `Otilde_m(g)`
hides C_m and k_m. A table `[theorem.constants]` says of a hidden constant what is not its default.

A step needs an `id` and a `claim`, an inequality between two formulas; its other fields are those of `DerivationStep`.
A `provenance` is left out where it is "stated". A long step may be a table [[theorem.derivation.steps]] of its own. The
hidden constants in a derivation's formulas are the statement's: one name is one constant.
"""

from boundcalc.exchange.fields import KEY
from boundcalc.exchange.packages import installed, installed_by_place
from boundcalc.exchange.reading import loads, read_theorems
from boundcalc.exchange.writing import dumps

__all__ = ["KEY", "dumps", "installed", "installed_by_place", "loads", "read_theorems"]
