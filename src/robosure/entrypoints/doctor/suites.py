"""Which suites of TLS up to 1.2 there are, and which of them are strong.

Strong are those with forward secrecy, a server that proves who it is, and encryption
that is authenticated (RFC 9325, 4.2).
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Final

_FORGOTTEN: Final = {
    0x0001: "NULL-MD5",
    0x0003: "EXP-RC4-MD5",
    0x0004: "RC4-MD5",
    0x0005: "RC4-SHA",
    0x0006: "EXP-RC2-CBC-MD5",
    0x0008: "EXP-DES-CBC-SHA",
    0x0009: "DES-CBC-SHA",
    0x000A: "DES-CBC3-SHA",
    0x0013: "DHE-DSS-DES-CBC3-SHA",
    0x0014: "EXP-EDH-RSA-DES-CBC-SHA",
    0x0015: "EDH-RSA-DES-CBC-SHA",
    0x0016: "DHE-RSA-DES-CBC3-SHA",
    0x0018: "ADH-RC4-MD5",
    0x001B: "ADH-DES-CBC3-SHA",
    0xC002: "ECDH-ECDSA-RC4-SHA",
    0xC007: "ECDHE-ECDSA-RC4-SHA",
    0xC008: "ECDHE-ECDSA-DES-CBC3-SHA",
    0xC00C: "ECDH-RSA-RC4-SHA",
    0xC011: "ECDHE-RSA-RC4-SHA",
    0xC012: "ECDHE-RSA-DES-CBC3-SHA",
}
"""Weak ones that OpenSSL, as it is built today, has no word for."""
_FORWARD: Final = frozenset({"kx-ecdhe", "kx-dhe"})
_NOBODY: Final = "auth-null"
_FEWEST_BITS: Final = 128
_OLD: Final = ssl.TLSVersion.TLSv1_2


@lru_cache(maxsize=1)
def strong_and_weak() -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of suites by their numbers: the strong ones, and the others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = _OLD
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    strong: dict[int, str] = {}
    weak = dict(_FORGOTTEN)
    for each in context.get_ciphers():
        if each["protocol"] == "TLSv1.3":
            continue
        good = (
            each["aead"]
            and each["kea"] in _FORWARD
            and each["auth"] != _NOBODY
            and each["strength_bits"] >= _FEWEST_BITS
            and not each["name"].endswith("CCM8")
        )
        (strong if good else weak)[each["id"] & 0xFFFF] = each["name"]
    return strong, weak
