"""Ops decide about reviews and public thanks; behind the company's sign-in."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
