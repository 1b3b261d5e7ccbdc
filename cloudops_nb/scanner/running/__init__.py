"""Runs the tasks of a scan in threads of this process or in other processes, and limits how fast rows flow."""
