"""The likelihood with one random intercept (persons) integrated out exactly."""
