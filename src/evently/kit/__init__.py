"""Tools without knowledge of tickets. Every package may import them; they import nothing of Evently.

errors      the exceptions of all packages        memory              recent values, with an age limit
ids         ids and their public form             together            concurrent calls, made as one
money       amounts and currencies                repeating           loops that repeat until cancelled
cursors     pages of long lists                   locked_directory    a directory that processes share
clock       the current time, as an argument      charts              charts as SVG
logs        log lines, as JSON or for a terminal
"""
