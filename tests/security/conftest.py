"""What the tests of security share."""

from __future__ import annotations

import pytest

from robosure.platform.runtime import Runtime
from tests.security.matrix.realm import Realm
from tests.support import ApiClient, Delivery


@pytest.fixture
async def realm(api: ApiClient, deliver: Delivery, runtime: Runtime) -> Realm:
    """Two of everything: one's own, and another's."""
    return await Realm.build(api, deliver, runtime)
