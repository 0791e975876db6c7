"""The accuracy gate: which blocks may be int8."""
