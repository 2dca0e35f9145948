"""The outsider's tool: is this log what its signatures say, and did everybody in it do only what they might?

    files       which files lie in the folder, and no others
    tree        entries, tiles and signed root agree
    signatures  many signatures on all cores
    replay      every statement in its place: order, time, keys, rights, state
    log         all of it as one story, and what came of it
    fetch       a log over HTTP, bounded in bytes and time
    copy        a full copy that can serve, and is always a whole log
    monitor     a log followed and held against witnesses, copies and promises
    evidence    what a log did wrong, as a file that others check
    words       what is said of it to people, in both languages
    cli         ``mingjian-verify``; each of its commands is a module (``log_command``)

It needs no server and believes nothing it is given but the auditor's own policy file.
"""
