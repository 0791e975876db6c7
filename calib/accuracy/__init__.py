"""Average precision, top-k accuracy, localization error."""
