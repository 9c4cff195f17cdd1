import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """A model in the Hugging Face layout."""
    return Path(os.environ["EXPLAIND_TEST_MODEL"])
