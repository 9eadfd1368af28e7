"""How wide must the network be? The same number three ways: one theorem, another constant, every theorem."""

import boundcalc

theorem = boundcalc.CATALOGUE["chen2019/thm2.1"]
inputs = {"L": 5, "R": 1, "n": 1000, "delta": "5%"}

width = boundcalc.evaluate(theorem, "width", inputs)
print(f"{theorem.source}: m ≥ {width.value}, assuming {', '.join(a.name for a in width.assumed)}")

doubled = boundcalc.evaluate(theorem, "width", inputs, boundcalc.ConstantPolicy({"C_m": 2}))
print(f"with C_m = 2: m ≥ {doubled.value}")

for answer in boundcalc.ask("required width for ε=0.01, L=5").answers:
    most = f", m ≤ {answer.upper.number}" if answer.upper is not None else ""
    print(f"{answer.theorem.key:<16} {answer.provenance:<10} m ≥ {answer.number}{most}")
