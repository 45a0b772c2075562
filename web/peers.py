"""Learners among themselves: ratings and reviews, links to pass on, threads, public thanks."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
