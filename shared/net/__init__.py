"""The networks, their checkpoints, and the predictor that turns an image into a probability map (torch)."""
