"""Green: from experiment logs to an audited ledger of energy and carbon, with budgets that hold."""

__version__ = "0.1.0"

TYPE_CHECKING = False  # a type checker takes it for true, without `typing` being loaded by every command
if TYPE_CHECKING:
    from green.meters.session import meter as meter


def __getattr__(name: str) -> object:
    """Load `green.meter` where it is used."""
    if name != "meter":
        raise AttributeError(f"module 'green' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 -- only programs that meter themselves pay for it

    return import_module("green.meters.session").meter
