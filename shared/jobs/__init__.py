"""Jobs, shards and items: states, tables, the writers of their rows, and the queue that hints at them."""
