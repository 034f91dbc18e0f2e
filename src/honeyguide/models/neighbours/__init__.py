"""Neighbours: items that the same people have, people who have the same items."""
