"""Models of the interaction matrix: factors, and linear item-item models in closed form."""
