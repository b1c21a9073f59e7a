"""Green: from experiment logs to an audited ledger of energy and carbon, with budgets that hold."""

__version__ = "0.1.0"
