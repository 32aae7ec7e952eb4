"""sdgkit: turn a few seed examples into a fine-tuning set that you have seen and trust.

`import sdgkit as sk`, then `sk.connect`, `sk.load_seeds`, the stages by their names, `sk.generate`,
`sk.open_run`.

The public names are listed in `__init__.pyi`, with the modules they live in. Each is loaded when
it is first used, so that the import itself takes no time.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _, _public_names = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *_public_names]


def __dir__() -> list[str]:
    return sorted(__all__)
