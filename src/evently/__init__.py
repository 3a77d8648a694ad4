"""Evently: ticketing that stays correct and quick when everybody wants the same tickets in the same second."""

__version__ = "0.1.0"
