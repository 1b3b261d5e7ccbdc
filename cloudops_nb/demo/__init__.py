"""A simulated AWS on a loopback port, with the estate of an online shop in three accounts and three regions.

::

    from cloudops_nb import demo

    running = demo.up()
    running.apply(os.environ)      # new boto3 clients reach only the demo
    ...
    demo.down()
"""

from cloudops_nb.demo.lifecycle import Demo, DemoStatus, default_path, down, find, status, up

__all__ = ["Demo", "DemoStatus", "default_path", "down", "find", "status", "up"]
