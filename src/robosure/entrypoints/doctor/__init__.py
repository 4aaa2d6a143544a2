"""``robosure doctor``: how a deployment protects who connects to it, from outside."""
