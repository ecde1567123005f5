"""The command line: what is typed becomes calls of the API, what comes back becomes text."""
