"""What managers and sponsors see: figures of groups, never of a person."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
