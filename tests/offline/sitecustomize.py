"""Read by every Python that a test starts: kernels, servers, commands.

This folder is on their PYTHONPATH.
"""

import loopback_only

loopback_only.install()
