"""Read by every Python that a test starts (this folder is on its PYTHONPATH): kernels, servers, commands."""

import loopback_only

loopback_only.install()
