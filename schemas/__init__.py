"""Events on the wire: pydantic models, JSON Schemas and golden examples. Imports nothing of `consumer`."""

from schemas.dead_letter import OOM_REASONS, Claim, DeadLetter, OomFacts, Reason, Stage
from schemas.submission import AdSubmission, AdText, Category, CreativeKind, CreativeRef, Media
from schemas.verdict import (
    AdVerdict,
    Box,
    Decision,
    Detector,
    EngineFingerprint,
    Evidence,
    EvidenceSource,
    JudgedAsset,
    LegalBasis,
    MissingStatement,
    RecordOrigin,
    Severity,
    Timing,
    Violation,
)

__all__ = [
    "OOM_REASONS",
    "AdSubmission",
    "AdText",
    "AdVerdict",
    "Box",
    "Category",
    "Claim",
    "CreativeKind",
    "CreativeRef",
    "DeadLetter",
    "Decision",
    "Detector",
    "EngineFingerprint",
    "Evidence",
    "EvidenceSource",
    "JudgedAsset",
    "LegalBasis",
    "Media",
    "MissingStatement",
    "OomFacts",
    "Reason",
    "RecordOrigin",
    "Severity",
    "Stage",
    "Timing",
    "Violation",
]
