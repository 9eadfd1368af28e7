"""What do the theorems assume of my data? Measure it, from an array, and ask for the width with what was found."""

import numpy as np

import boundcalc
from boundcalc.data import make_dataset
from boundcalc.estimate.measures import measure
from boundcalc.measuring import DataFacts

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 6))
y = np.sign(X[:, 0])

data = make_dataset("my data", X / np.linalg.norm(X, axis=1, keepdims=True), y)
for found in measure(data, ["phi", "lambda_0", "gamma_random_feature"]):
    print(f"{found.name:<22} {found.value:<10.4g} {found.direction}, by {found.method}")

answer = boundcalc.evaluate(boundcalc.CATALOGUE["zou2020"], "width", {"epsilon": "0.1", "L": 3}, facts=DataFacts(data))
print(f"{answer.theorem.key} asks for m ≥ {answer.number}, with")
for one in answer.measured:
    print(f"  {one.name} = {one.text}, from {one.source}")
