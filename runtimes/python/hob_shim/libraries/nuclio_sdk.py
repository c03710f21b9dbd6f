"""What functions find under `import nuclio_sdk` when their dependencies do not bring the real one."""

from hob_shim.logger import Logger
from hob_shim.nuclio import Context, Event, ExceptionWithResponse, Platform, Response, TriggerInfo

__all__ = ["Context", "Event", "ExceptionWithResponse", "Logger", "Platform", "Response", "TriggerInfo"]
