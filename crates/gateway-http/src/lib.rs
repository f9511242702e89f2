//! REST, events, health and metrics in front of the desk.
