"""The one door: whoever writes (page, importer, camera, adapter, system clock) comes in through it.

Rights, state, sealing, signature, append, in that order. What it refuses has changed nothing; what it acknowledges
is durable and will stand in the tree.
"""
