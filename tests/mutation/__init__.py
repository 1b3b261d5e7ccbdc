"""Changes the code of values, graph, grammar and binding in small ways, and checks that a test fails at each change.

``python -m tests.mutation`` (``make mutate``) makes mutants with the operators of Cosmic Ray of the modules in
:data:`tests.mutation.mutants.MODULES`. Comparisons that change their kind, such as ``==`` to ``<``, are left out.
A mutant runs the tests that execute its lines, the quickest first, until one
fails; then it is dead. ``equivalent.yaml`` lists the mutants that no test can tell from the code, and why. Status 1
means that another mutant lives, or that one of the list is dead or no longer made.

Two runs make the same mutants and run the same tests: the hashes of Python and the examples of Hypothesis have a fixed
seed.
"""
