"""Compares the order of steps with a second opinion: the simulation of the library ``@cdklabs/cdk-ssm-documents``.

``python -m tests.survey.second_opinion`` (``make second-opinion``, which installs the library without its scripts)
runs the plain documents of :mod:`tests.survey.second_opinion.cases` here, on stubs, and in the library. Where the two
differ, the user guide decides. The library drops ``nextStep`` and ``onFailure`` when it reads a document, and takes
each reference for text; the comparison corrects that. It ignores ``isCritical``, has no ``And``, ``Or`` and ``Not``,
and ends at a branch with ``isEnd`` although a choice holds. A case in which it is wrong says so, with the words of the
guide.
Status 1 means that we do not do what a case demands, or that the library differs where no case says so, or no longer
differs where one does.
"""
