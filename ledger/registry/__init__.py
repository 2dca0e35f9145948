"""Changes of the registries: units, windows, items, people, rosters, calendars, keys, policy; by two persons.

One person proposes, which changes nothing; another confirms that very proposal, which is the change::

    proposal = catalogue.unit(first, "env", name="环保局", tier="district")
    changes.confirm(second, proposal.id)

``catalogue``, ``people`` and ``keys`` fill in what a proposer should not have to know; ``changes`` confirms whatever
was proposed. What is sound and who may do it is decided by ``ledger.facts.registry``.
"""
