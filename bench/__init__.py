"""Measures the speed goals, and the textbook techniques beside them: `python -m bench --help`.

Nothing here is part of the product.
"""
