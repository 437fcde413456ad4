"""What every group of settings is made of."""

from pydantic import BaseModel, ConfigDict

MIB = 1024 * 1024


class Group(BaseModel):
    """One table of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
