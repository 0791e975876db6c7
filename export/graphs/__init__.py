"""Graphs: the network inside, the tails behind it, the file, float16."""
