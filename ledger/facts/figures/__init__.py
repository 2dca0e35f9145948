"""Figures of the hall itself: what each means, from which rows it is made, and how it is told.

``rows``          what each matter adds to the figures; ``of_cases``, ``of_centres``: of which kinds; ``journal``
``definitions``   the figures, each a fold over counted rows
``answers``       a figure as it is told: n, period, position, rules, groups
``suppression``   which cells of a table would give somebody away
``scorecard``     several figures weighed by a formula that is data

Figures of imported logs (throughput, deadlines) are those of ``ledger.facts.metrics``.
"""
