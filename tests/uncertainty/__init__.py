"""Intervals hold whatever the errors do to one another: our rule against draws by other means."""
