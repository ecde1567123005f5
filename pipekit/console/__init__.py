"""What people see on a terminal: lines while a run goes on, tables of what is recorded."""
