"""Tables of points, drawn as pictures that a network knows: read, drawn, and submitted as images."""
