"""The paper's table and figures, written from what `train/paper` measured."""
