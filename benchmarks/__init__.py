"""What the product costs, each figure beside a reference that is measured in the same run.

``python -m benchmarks [--quick] [subject ...]`` prints a table and writes ``.artefacts/bench.json``. A subject is a
module of ``benchmarks/subjects`` with a function ``run(quick) -> Iterator[Figure]``; to add one, add its module.
"""
