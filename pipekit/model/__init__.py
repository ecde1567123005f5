"""Pure data and rules: no I/O, no threads, no clocks of its own."""
