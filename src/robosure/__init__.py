"""Robosure: insurance for robot fleets."""
