"""The SQL tables, by what they are about. A change here needs a migration; a test compares the two."""

from shared.db.tables import accounts, actions, jobs, models, reviews, webhooks

SUBJECTS = (accounts, actions, jobs, models, reviews, webhooks)
"""The modules of all tables: whoever imports one of them has the keys that it refers to."""
