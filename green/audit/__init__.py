"""The audit store: an append-only ledger, its projections, and the proof that neither was changed."""
