"""Makes spyne 2.14 importable on Python 3.12 and 3.13; import names of spyne from here.

Its bundled ``six`` is too old for their import machinery, so a copy of the current one, with the
one function that spyne added to its own, takes that place before spyne is first imported. ``cgi``,
which left Python in 3.13, comes from ``legacy-cgi``.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from operator import attrgetter
from types import ModuleType

_MOVED = ("", ".http_cookies", ".collections_abc", ".urllib")
_URLLIB = (".urllib.request", ".urllib.parse", ".urllib.error")
_six = ModuleType("spyne.util.six")
vars(_six).update(vars(import_module("six")), get_function_name=attrgetter("__name__"))
sys.modules.setdefault("spyne.util.six", _six)
for _name in _MOVED + _URLLIB:
    sys.modules.setdefault(f"spyne.util.six.moves{_name}", import_module(f"six.moves{_name}"))

from spyne import (  # noqa: E402
    Application,
    Array,
    Boolean,
    ComplexModel,
    DateTime,
    Enum,
    Fault,
    Integer32,
    MethodContext,
    ServiceBase,
    Unicode,
    rpc,
)
from spyne.interface.wsdl import Wsdl11  # noqa: E402
from spyne.protocol.soap import Soap11  # noqa: E402
from spyne.server import ServerBase  # noqa: E402

# It logs what callers sent, with tracebacks, as errors of its own.
logging.getLogger("spyne").setLevel(logging.CRITICAL)

__all__ = [
    "Application",
    "Array",
    "Boolean",
    "ComplexModel",
    "DateTime",
    "Enum",
    "Fault",
    "Integer32",
    "MethodContext",
    "ServerBase",
    "ServiceBase",
    "Soap11",
    "Unicode",
    "Wsdl11",
    "rpc",
]
