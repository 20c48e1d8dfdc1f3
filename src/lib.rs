//! Jumeau: SQL for prospect relationship management.
