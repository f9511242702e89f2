//! The one desk: submit, query, watch, prove; owns the commit path.
