"""A simulated AWS on a loopback port, with the estate of an online shop: three accounts, three regions.

::

    from cloudops_nb import demo

    running = demo.up()
    running.apply(os.environ)      # from here on, boto3 reaches the demo and nothing else
    ...
    demo.down()
"""

from cloudops_nb.demo.lifecycle import Demo, DemoStatus, default_path, down, find, status, up

__all__ = ["Demo", "DemoStatus", "default_path", "down", "find", "status", "up"]
