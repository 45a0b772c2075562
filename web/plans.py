"""Learning in the way of the day: if-then plans, free gaps of the calendar, entries in it."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
