"""Models of what items are: attributes, text, embeddings. An item is recommended on its first day."""
