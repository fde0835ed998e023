"""Calling a Sluice gateway: the generated stubs are in `sluice.v1`, what every caller
needs beside them is here."""
from sluice.channel import connect, connect_aio
from sluice.collector import Collector
from sluice.failure import CallFailure, decode_error

__all__ = ["CallFailure", "Collector", "connect", "connect_aio", "decode_error"]
