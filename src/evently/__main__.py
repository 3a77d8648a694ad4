"""`python -m evently` is the command line."""

from evently.cli import main

main()
