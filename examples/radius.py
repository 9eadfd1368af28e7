"""How far must weights move? The radius R of chen2019's assumption (A) from both sides, and claim (c) on its growth."""

from boundcalc.data import load
from boundcalc.estimate.radius_growth import radius_growth
from boundcalc.estimate.radius_study import radius_study

data = load("relu-features:n=60,d=5,gamma=0.1")

part = data.subset(range(30), "30 rows")
print(radius_study(part.X, part.y, widths=(32, 128), depths=(2,), epsilons=(0.5, 0.1), inits=2).table())
print()
print(radius_growth(data, sizes=(15, 30, 60), epsilons=(0.1, 0.01), draws=4).table())
