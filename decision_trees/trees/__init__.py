"""Decision trees, of which algorithm.py is made; delete the package if you bring an algorithm."""
