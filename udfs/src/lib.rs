//! SQL functions for prospect relationship management.
