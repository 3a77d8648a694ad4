"""The version before: its code, from the history of this repository, and a database that it has filled."""
