"""The folder of helpers is found."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
