"""The benchmark: measures the speed goals, and textbook techniques for comparison.

See `python -m bench --help`. This package is not part of the product.
"""
