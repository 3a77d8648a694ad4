"""Tools without knowledge of tickets. Every package may import them; they import no other package.

errors        the exceptions of all packages             memory              recent values, with an age limit
ids           ids and their public form                  together            concurrent calls, made as one
money         amounts and currencies                     repeating           loops that repeat until cancelled
shapes        limits of fields, in their types           locked_directory    a directory that processes share
complaints    all wrong fields of a request              charts              charts as SVG
cursors       pages of long lists                        logs                JSON lines, or for a terminal
clock         the current time, as an argument           visible             names that can be seen
"""
