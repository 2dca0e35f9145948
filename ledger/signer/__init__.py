"""The signer's side: a key that never leaves its owner, a draft that is checked before it is signed, a receipt kept.

Promise: ``mingjian-sign`` signs what the person asked for and was shown, and nothing else. It opens what the server
proposes by the strict reader and writes it again itself, so the bytes signed are its own; ``seen`` is a checkpoint that
it has verified under its own policy and joined to the last one it kept; promise and proof of place stay with the owner.

    keys     key files: made, encrypted, read
    draft    pure: is the draft what was asked? does what came in between touch it?
    server   HTTP, bounded
    state    the owner's folder
    signing  the order of it all: look, draft, check, show, sign, commit, prove
    words    what is shown, in Chinese and English
    cli      ``mingjian-sign``

The steps and their bytes stand in ``docs/spec/signing.md``; a browser does the same.
"""
