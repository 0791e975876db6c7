"""A page on which people see a run: pictures, figures and events in a browser, scores and places set from there."""
