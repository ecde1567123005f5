"""Runs one attempt: resolve inputs, call, store outputs, report. Decides nothing else."""
