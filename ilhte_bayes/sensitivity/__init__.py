"""Model and fit → would the answer change? Identification, look-alikes, anchors, missing answers."""
