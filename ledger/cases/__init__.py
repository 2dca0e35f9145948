"""One file per kind of stream: its commands, which go in through the door."""
