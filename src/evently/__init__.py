"""Evently: ticketing that stays correct and fast when everyone wants the same tickets in the same second."""

__version__ = "0.1.0"
