"""The rules of claims: cover, triage, the roster, settlement, reserves, the claim.

``claim`` holds the aggregate and its life; each of the others holds one rule of the
field that the claim applies.
"""
