"""Networks on Keras, trained by `honeyguide.training`."""
