"""`python -m pipekit.worker`: started by the process executor with its descriptors in place."""

from pipekit.worker.process import main

if __name__ == "__main__":
    main()
