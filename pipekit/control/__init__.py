"""The shell around the planner: one thread that carries out its commands, and its wiring."""
