//! Turn one ordered block into state changes and receipts, identically on every member.
