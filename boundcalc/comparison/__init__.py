"""Compare bounds up to constants and logarithms: which is smaller, everywhere or exactly where, with certificates.

Both sides are read as orders of growth, the inequality between them is decided on the symbols' regimes
(`boundcalc.tropical`), and what is left of it is solved for one symbol. Statements that count depth differently are
compared through the number of hidden layers, which is what L is up to a constant factor in each of them.
"""

from boundcalc.comparison.decision import Comparison, Relation, compare
from boundcalc.comparison.ranking import Best, Ranking, rank
from boundcalc.comparison.sides import Comparand, Side, Terms, parse_given

__all__ = ["Best", "Comparand", "Comparison", "Ranking", "Relation", "Side", "Terms", "compare", "parse_given", "rank"]
