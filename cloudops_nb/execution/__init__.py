"""The execution engine: plan, approval, drift check, run, verify, roll back."""
