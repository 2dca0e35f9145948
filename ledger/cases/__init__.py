"""One file per stream of the counter: its states, and the commands that go in through the door."""
