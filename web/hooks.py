"""Learning systems that tell us what happened, by web hooks of theirs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
