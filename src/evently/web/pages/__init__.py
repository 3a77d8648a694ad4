"""Pages: HTML for people. A sibling of `api`: both stand on `edge`, neither knows the other."""
