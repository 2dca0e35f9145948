"""What the statements mean: pure folds that the door, the projections, oversight and the outsider's verifier share.

Nothing here reads a clock, a disk or a database. A rule that decides about a statement stands here once.
"""
