"""A certificate for the loopback, which nobody trusts who is not told to."""

import subprocess
from pathlib import Path


def certificate(folder: Path) -> Path:
    """A new file in the folder: a key, and a certificate that it signed itself."""
    pem, signed = folder / "tls.pem", folder / "tls.crt"
    made = [
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        *("-keyout", str(pem), "-out", str(signed)),
    ]
    subprocess.run(made, check=True, capture_output=True)
    pem.write_text(pem.read_text() + signed.read_text())
    return pem
