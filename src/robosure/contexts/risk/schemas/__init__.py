"""Response models of risk: exposure, scores and the models that make them."""

from robosure.contexts.risk.schemas.exposure import (
    ExposureOut,
    FlagOut,
    JointOut,
    ReadingsOut,
    WindowOut,
    WindowsOut,
)
from robosure.contexts.risk.schemas.models import (
    BandOut,
    FactorDefinitionOut,
    KnotOut,
    RiskModelOut,
    RiskModelsOut,
)
from robosure.contexts.risk.schemas.scores import (
    CredibilityOut,
    FactorOut,
    RobotRiskOut,
    ScoreOut,
)

__all__ = [
    "BandOut",
    "CredibilityOut",
    "ExposureOut",
    "FactorDefinitionOut",
    "FactorOut",
    "FlagOut",
    "JointOut",
    "KnotOut",
    "ReadingsOut",
    "RiskModelOut",
    "RiskModelsOut",
    "RobotRiskOut",
    "ScoreOut",
    "WindowOut",
    "WindowsOut",
]
