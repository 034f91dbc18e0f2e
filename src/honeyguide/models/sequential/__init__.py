"""Models of order: what comes next, after the events of a history in the order in which they came."""
