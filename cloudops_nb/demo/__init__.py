"""A simulated AWS on a loopback port, with the resources of an online shop in three accounts and three regions.

::

    from cloudops_nb import demo

    running = demo.up()
    running.apply(os.environ)      # from now on, new boto3 clients call the demo
    ...
    demo.down()
"""

from cloudops_nb.demo.lifecycle import Demo, DemoStatus, default_path, down, find, status, up

__all__ = ["Demo", "DemoStatus", "default_path", "down", "find", "status", "up"]
