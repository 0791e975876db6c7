"""A run that is left alone for months, seen from outside: metrics, health, systemd."""
