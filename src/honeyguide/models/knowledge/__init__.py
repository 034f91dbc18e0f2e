"""Models that read a graph of knowledge beside the events: where there is none, that of the items' attributes."""
