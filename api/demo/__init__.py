"""The demo district: a believable Haicang, played through the real commands on a simulated clock.

    district   who and what there is: units, windows, items, cameras, sites, people, rosters
    play       the stage: one clock, scripts in the order of time, each actor's own key
    visits     the hall's day: tickets, approvals, ratings
    centres    what the other centres do
    stories    the six stories of the source
    oddities   irregularities planted on purpose, with their answer key
    seed       all of it, from the opening of the ledger to a day
    tamper     one event changed as the database's owner

Nothing of it is real: names are invented, rules are samples, and each batch of the log says ``simulated``.
"""
