"""Objects of a mask: its connected components, counted, measured and told apart in one way everywhere.

Two pixels belong to one object where they touch by a side or a corner (8-connectivity); two pixels of the background
only by a side (4-connectivity), so that what encloses a hole is closed. Objects are numbered from 1 in the order of
their first pixel, row by row from the top left, as `skimage.measure.label(mask, connectivity=2)` numbers them.

A mask is handled as the runs of its rows, which come in bands: nothing here holds a whole large image.
"""
