"""Everything that is kept of a learner, to take along or to erase; behind a link of its own that soon expires."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
