"""Train networks as a statement prescribes, and check what it guarantees. Here the two sides of boundcalc meet."""
