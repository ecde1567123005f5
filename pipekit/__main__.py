"""`python -m pipekit` is the command `pipekit`."""

from pipekit.cli.main import main

if __name__ == "__main__":
    main()
