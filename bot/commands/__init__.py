"""One file per command: plain arguments in, an exit code out. Each imports only what it needs."""
