"""Models of the graph of people and items: walks on it, and filters of its spectrum."""
