"""Script mode: a program that somebody brings, in place of ours."""
