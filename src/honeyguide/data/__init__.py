"""From files and frames to a Dataset of interactions, and to the Profiles that models score."""
