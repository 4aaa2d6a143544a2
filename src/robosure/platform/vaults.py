"""Where settings come from besides the environment: files and vaults.

Files in directories, as Docker and Kubernetes mount secrets, Azure Key Vault and Google
Secret Manager, each through pydantic-settings' own source. One that is named and cannot
be read ends the start: to go on with a default in a secret's place would be worse. What
the process does not need is not asked for: see :mod:`robosure.platform.needs`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import (
    AzureKeyVaultSettingsSource,
    BaseSettings,
    EnvSettingsSource,
    GoogleSecretManagerSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)
from pydantic_settings.sources.providers.azure import AzureKeyVaultMapping

from robosure.platform.needs import Process, is_needed

_SECONDS: Final = 10
_RETRIES: Final = 2


class SecretsUnreadableError(ValueError):
    """A place that secrets are to come from cannot be read."""


def sources_of(
    settings_cls: type[BaseSettings], said: Mapping[str, Any]
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the sources that are named, the first of which wins.

    Args:
        settings_cls: what is read.
        said: settings as the environment, ``.env`` and arguments have them.

    Raises:
        SecretsUnreadableError: one cannot be read.
    """
    sources: list[PydanticBaseSettingsSource] = []
    process = Process(said["process"]) if said.get("process") else None
    if directories := said.get("secrets_directories"):
        named = directories.split(",") if isinstance(directories, str) else directories
        paths = [Path(name) for each in named if (name := str(each).strip())]
        sources.append(SecretFiles(settings_cls, paths, process))
    if url := said.get("azure_key_vault_url"):
        sources.append(AzureKeyVault(settings_cls, url, process))
    if project := said.get("google_secret_project"):
        endpoint = said.get("google_secret_endpoint")
        sources.append(GoogleSecretManager(settings_cls, project, process, endpoint))
    return tuple(sources)


class _OnlyNeeded(PydanticBaseSettingsSource):
    """Passes over what the process does not need, before it is looked at."""

    process: Process | None = None

    def get_field_value(
        self, field: FieldInfo, field_name: str
    ) -> tuple[Any, str, bool]:
        """Return nothing for a secret that is another process's."""
        if not is_needed(field_name, self.process):
            return None, field_name, False
        return super().get_field_value(field, field_name)  # type: ignore[safe-super]  # of the source beside it


class SecretFiles(_OnlyNeeded, SecretsSettingsSource):
    """Files named as the variables are, in either case; the last directory wins."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        directories: list[Path],
        process: Process | None,
    ) -> None:
        self.process = process
        super().__init__(settings_cls, secrets_dir=directories)

    def __call__(self) -> dict[str, Any]:
        """Read them; what the library would only warn of is an error."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                return super().__call__()
            except (OSError, UserWarning, ValueError) as error:
                reason = error.__cause__ or error
                raise SecretsUnreadableError(
                    f"ROBOSURE_SECRETS_DIRECTORIES cannot be read: {reason}"
                ) from error


class _OnlyOurs(_OnlyNeeded, EnvSettingsSource):
    """Asks a vault for the settings by name, and for nothing else that it holds."""

    def explode_env_vars(
        self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Look for no parts of a setting: that would read every secret there is."""
        del field_name, field, env_vars
        return {}


class AzureKeyVault(_OnlyOurs, AzureKeyVaultSettingsSource):
    """Secrets named as the variables are, with dashes: ``robosure-encryption-key``."""

    def __init__(
        self, settings_cls: type[BaseSettings], url: str, process: Process | None
    ) -> None:
        self.process = process
        named = f"ROBOSURE_AZURE_KEY_VAULT_URL names {url}"
        with _installed(named, extra="azure"):
            from azure.core.exceptions import AzureError
            from azure.identity import DefaultAzureCredential
            from azure.keyvault.secrets import SecretClient
        # As the library makes it, but for waiting many minutes.
        self._client_of = partial(
            SecretClient,
            connection_timeout=_SECONDS,
            read_timeout=_SECONDS,
            retry_total=_RETRIES,
        )
        self._reading = partial(_reading, named, AzureError, ValueError)
        with self._reading():
            super().__init__(
                settings_cls, url, DefaultAzureCredential(), dash_to_underscore=True
            )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        """List what there is."""
        return AzureKeyVaultMapping(
            self._client_of(self._url, self._credential),
            case_sensitive=self.case_sensitive,
            snake_case_conversion=False,
            env_prefix=self.env_prefix,
        )

    def __call__(self) -> dict[str, Any]:
        """Read those that are settings."""
        with self._reading():
            return super().__call__()


class GoogleSecretManager(_OnlyOurs, GoogleSecretManagerSettingsSource):
    """Secrets named as the variables are, in either case; the latest version counts."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        project: str,
        process: Process | None,
        endpoint: str | None,
    ) -> None:
        self.process = process
        named = f"ROBOSURE_GOOGLE_SECRET_PROJECT names {project}"
        with _installed(named, extra="gcp"):
            from google.api_core.exceptions import GoogleAPIError
            from google.auth.exceptions import GoogleAuthError
            from google.cloud.secretmanager import SecretManagerServiceClient
        self._reading = partial(_reading, named, GoogleAPIError, GoogleAuthError)
        with self._reading():
            client = SecretManagerServiceClient(
                client_options={"api_endpoint": endpoint} if endpoint else None
            )
            super().__init__(
                settings_cls,
                project_id=project,
                secret_client=client,
                case_sensitive=False,
            )

    def __call__(self) -> dict[str, Any]:
        """Read those that are settings.

        The library passes over one that it finds and may not read; here it is an error.
        """
        with self._reading():
            values = super().__call__()
        for name, field in self.settings_cls.model_fields.items():
            if not is_needed(name, self.process):
                continue
            for _, variable, _ in self._extract_field_info(field, name):
                if variable in self.env_vars and self.env_vars[variable] is None:
                    raise SecretsUnreadableError(
                        f"{variable.upper()} is in the Google Secret Manager of "
                        f"{self._project_id}, and its latest version cannot be read"
                    )
        return values


@contextmanager
def _installed(named: str, *, extra: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Google's libraries warn of Pythons that they will drop one day.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except ImportError as error:
        raise SecretsUnreadableError(
            f"{named}, and its client is not installed: pip install 'robosure[{extra}]'"
        ) from error


@contextmanager
def _reading(named: str, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        told = f"{named}, and cannot be read: {reason}"
        raise SecretsUnreadableError(told) from error
