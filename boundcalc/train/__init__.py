"""Networks in the papers' parameterisations, training engines, gradient descent on many inits at once."""
