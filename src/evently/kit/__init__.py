"""Small things that know nothing of tickets: errors, ids, money, cursors, the clock."""
