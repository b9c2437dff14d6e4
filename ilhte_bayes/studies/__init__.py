"""What a procedure does over many simulated tables."""
