"""SSM Automation documents and the playbook catalogue: model, loader, linter, references and selectors.

Nothing here executes a step or calls AWS.
"""
