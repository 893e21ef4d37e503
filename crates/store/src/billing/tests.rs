//! Subscriptions against a real database.
