"""Tries every Automation document in some folders: load, lint, prepare and run it, and say how far it came.

``python -m tests.survey FOLDER…`` prints a line for each document, and totals. Nothing calls AWS: the documents run on
stubs, which fill botocore's output shapes with plausible values and make each wait and assertion come true. Sleeps are
skipped, and a step takes at most a few seconds. Status 1 means that a document made something else than a
``CloudOpsError`` happen, took too long to load, or ended otherwise than its side file says.

A side file ``answers/NAME.yaml`` beside a document ``NAME.yaml`` or ``NAME.json`` may have:

``parameters``
    Values by parameter.
``answers``
    Answers by ``service.Api`` or by the path of a step. A list is given out one by one, the last one again and again;
    ``{error: Code}`` refuses the call.
``store``
    Values of Parameter Store by name.
``expect``
    ``ending``, such as ``completed`` or ``refused: waits for a person``; ``reason``, a regular expression; and
    ``steps``, the paths of the steps in the order of the run.
"""
